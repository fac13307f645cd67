-- Changes whenever what a person may edit changes.
local function etag_of(id)
  local fields = redis.pcall('HMGET', P .. id, 'data', 'delay', 'priority')
  if fields.err then return '' end
  return redis.sha1hex((fields[1] or '') .. '\n' .. (fields[2] or '') .. '\n' .. (fields[3] or ''))
end
