-- Redis runs Lua 5.1 with these globals and no others.
std = "lua51"
read_globals = { "redis", "cjson", "cmsgpack", "bit", "struct", "KEYS", "ARGV" }
max_line_length = 130
-- A fragment's functions take what they need as parameters, under the names that scripts use at their top level.
ignore = { "431" }
