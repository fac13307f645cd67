--- Replaces the data of a job.
-- KEYS  P, X
-- ARGV  id, token ('0' = an operator: no lock needed), data (JSON)
-- Reply 0, or -1 no such job, -2 no lock, -6 another run's lock
-- Kept  a stale run changes nothing
-- Spec  docs/wire/bullmq.md 7.4
--- @include "keys"
--- @include "fence"
local id, token = ARGV[1], ARGV[2]
local code = refused(id, token)
if code and not (token == '0' and code ~= -1) then return code end
redis.call('HSET', P .. id, 'data', ARGV[3])
return 0
