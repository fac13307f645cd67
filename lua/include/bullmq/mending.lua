--- @include "types"
--- @include "bullmq/states"
--- @include "bullmq/waiting"
--- @include "bullmq/marker"
--- @include "bullmq/child"
--- @include "bullmq/dedup_end"
--- @include "bullmq/bury"
--- @include "places"
--- @include "take_from_run"
-- What taking a job out of one state and into another asks of a BullMQ queue; check before the first write.
local MENDING = { P .. 'active', 'list', P .. 'wait', 'list', P .. 'paused', 'list', P .. 'delayed', 'zset',
  P .. 'completed', 'zset', P .. 'failed', 'zset', P .. 'prioritized', 'zset', P .. 'waiting-children', 'zset',
  P .. 'meta', 'hash', P .. 'events', 'stream', P .. 'marker', 'zset', P .. 'stalled', 'set', X .. 'leases', 'set',
  X .. 'leases:stalled', 'hash', X .. 'audit', 'stream', X .. 'cancel', 'stream' }
local function parent_of_key(key)
  local said = redis.pcall('HMGET', key, 'parentKey', 'parent')
  return not said.err and parent_of(said[1], said[2]) or nil
end
local function mending_misfit(id)
  local wrong, parent = expect_types(MENDING), parent_of_key(P .. id)
  if wrong or not parent then return wrong end
  local wanted = {}
  want_parent(parent, wanted, {})
  return expect_types(wanted)
end
local leave_all = leave_states
-- To the consumers' end, as after a crash; answers the list.
local function put_in_line(id, was)
  local meta = read_meta(P)
  redis.call('RPUSH', target_list(meta), id)
  mark_ready(meta)
  emit_untrimmed(P, 'waiting', 'jobId', id, 'prev', was)
  return string.sub(target_list(meta), #P + 1)
end
local function line_name() return string.sub(target_list(read_meta(P)), #P + 1) end
local function after_delaying() mark_delayed(P) end
-- What others are told when a job that is whole fails for good: its deduplication id is free, its parent counts it.
local function tell_failed(id, reason, now)
  end_dedup(read_meta(P), redis.call('HGET', P .. id, 'deid'), id, now)
  local parent = parent_of_key(P .. id)
  if parent then child_failed(parent, P .. id, reason, now) end
  tell_buried(id, reason)
end
