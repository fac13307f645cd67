--- Stores and publishes the progress of a run.
-- KEYS  P, X
-- ARGV  id, token ('0' = an operator: no lock needed), progress (JSON)
-- Reply 0, or -1 no such job, -2 no lock, -6 another run's lock
-- Kept  a stale run changes nothing
-- Spec  docs/wire/bull-4.md 10, 12.1
--- @include "keys"
--- @include "fence"
local id, token, value = ARGV[1], ARGV[2], ARGV[3]
local code = refused(id, token)
if code and not (token == '0' and code ~= -1) then return code end
redis.call('HSET', P .. id, 'progress', value)
redis.call('PUBLISH', P .. 'progress', '{"jobId":' .. cjson.encode(id) .. ',"progress":' .. value .. '}')
return 0
