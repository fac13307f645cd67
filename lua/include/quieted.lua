-- A process that a person has told to claim nothing more asks again after so long. `there` is what the check of types found.
local QUIET_REST_MS = 1000
local function is_quiet(there, token)
  return there[X .. 'quiet'] and redis.call('HEXISTS', X .. 'quiet', string.match(token or '', '^(.*):') or '') == 1
end
