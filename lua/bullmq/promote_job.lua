--- Moves one delayed job to waiting now: a person's act.
-- KEYS  P, X
-- ARGV  token, id
-- Reply 0, or -1 not delayed
-- Kept  a job is in exactly one place
-- Spec  docs/wire/bullmq.md 7.1
--- @include "keys"
--- @include "types"
--- @include "number"
--- @include "bullmq/waiting"
--- @include "bullmq/marker"
--- @include "bullmq/event"
local id = ARGV[2]
local wrong = expect_types({ P .. 'delayed', 'zset', P .. 'wait', 'list', P .. 'paused', 'list', P .. 'active', 'list',
  P .. 'prioritized', 'zset', P .. 'meta', 'hash', P .. 'marker', 'zset', P .. 'events', 'stream', P .. id, 'hash' })
if wrong then return wrong end
if redis.call('ZREM', P .. 'delayed', id) == 0 then return -1 end
local meta = read_meta(P)
put_waiting(meta, id, number_of(redis.call('HGET', P .. id, 'priority')))
mark_ready(meta)
emit_untrimmed(meta.base, 'waiting', 'jobId', id, 'prev', 'delayed')
if redis.call('EXISTS', P .. id) == 1 then redis.call('HSET', P .. id, 'delay', 0) end
return 0
