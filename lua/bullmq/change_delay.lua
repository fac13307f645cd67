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
local id, delay = ARGV[1], tonumber(ARGV[2])
local wrong = expect_types({ P .. 'delayed', 'zset', P .. 'meta', 'hash', P .. 'marker', 'zset', P .. 'events', 'stream',
  P .. id, 'hash' })
if wrong then return wrong end
if redis.call('EXISTS', P .. id) == 0 then return -1 end
if redis.call('ZREM', P .. 'delayed', id) == 0 then return -3 end
local meta = read_meta(P)
redis.call('ZADD', P .. 'delayed', delayed_score(meta, now + delay), id)
redis.call('HSET', P .. id, 'delay', delay)
event_trimmed(meta, 'delayed', 'jobId', id, 'delay', now + delay)
wake_when_due(meta)
return 0
