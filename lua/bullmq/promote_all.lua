--- Moves delayed jobs to waiting now, those due first: a person's act.
-- KEYS  P, X
-- ARGV  most jobs in this call
-- Reply how many were moved; fewer than asked for = none is left
-- Kept  a job is in exactly one place. As in BullMQ their priorities do not count
-- Spec  docs/wire/bullmq.md 7.6
--- @include "keys"
--- @include "types"
--- @include "bullmq/target"
--- @include "bullmq/marker"
--- @include "bullmq/event"
local wrong = expect_types({ P .. 'delayed', 'zset', P .. 'wait', 'list', P .. 'paused', 'list', P .. 'active', 'list',
  P .. 'meta', 'hash', P .. 'marker', 'zset', P .. 'events', 'stream' })
if wrong then return wrong end
local meta, ids = read_meta(P), redis.call('ZRANGE', P .. 'delayed', 0, ARGV[1] - 1)
if #ids == 0 then return 0 end
redis.call('LPUSH', target_list(meta), unpack(ids))
redis.call('ZREM', P .. 'delayed', unpack(ids))
for _, id in ipairs(ids) do emit_untrimmed(meta.base, 'waiting', 'jobId', id, 'prev', 'delayed') end
mark_ready(meta)
return #ids
