--- Stores the progress of a run and tells it.
-- KEYS  P, X
-- ARGV  id, token ('0' = an operator: no lock needed), progress (JSON)
-- Reply 0, or -1 no such job, -2 no lock, -6 another run's lock
-- Kept  a stale run changes nothing
-- Spec  docs/wire/bullmq.md 7.4, 10.1
--- @include "keys"
--- @include "types"
--- @include "fence"
--- @include "bullmq/event"
local id, token, value = ARGV[1], ARGV[2], ARGV[3]
local code = refused(id, token)
if code and not (token == '0' and code ~= -1) then return code end
local wrong = expect_types({ P .. 'meta', 'hash', P .. 'events', 'stream' })
if wrong then return wrong end
redis.call('HSET', P .. id, 'progress', value)
emit(read_meta(P), 'progress', 'jobId', id, 'data', value)
return 0
