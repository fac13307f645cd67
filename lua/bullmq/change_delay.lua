--- Gives a delayed job another delay, from now.
-- KEYS  P, X
-- ARGV  id, delay ms
-- Reply 0, or -1 no such job, -3 not delayed
-- Kept  a job is in exactly one place
-- Spec  docs/wire/bullmq.md 7.3
--- @include "keys"
--- @include "now"
--- @include "types"
--- @include "bullmq/target"
--- @include "bullmq/marker"
--- @include "bullmq/event"
--- @include "bullmq/delayed"
local id, delay = ARGV[1], tonumber(ARGV[2])
local wrong = expect_types({ P .. 'delayed', 'zset', P .. 'meta', 'hash', P .. 'marker', 'zset', P .. 'events', 'stream',
  P .. id, 'hash' })
if wrong then return wrong end
if redis.call('EXISTS', P .. id) == 0 then return -1 end
if redis.call('ZREM', P .. 'delayed', id) == 0 then return -3 end
local meta = read_meta(P)
push_delayed(P, id, now + delay)
redis.call('HSET', P .. id, 'delay', delay)
emit(meta, 'delayed', 'jobId', id, 'delay', now + delay)
mark_delayed(meta.base)
return 0
