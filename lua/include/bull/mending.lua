--- @include "types"
--- @include "bull/states"
--- @include "bull/waiting"
--- @include "bull/debounce"
--- @include "bull/bury"
--- @include "places"
--- @include "take_from_run"
-- What taking a job out of one state and into another asks of a Bull queue; check before the first write.
local MENDING = { P .. 'active', 'list', P .. 'wait', 'list', P .. 'paused', 'list', P .. 'delayed', 'zset',
  P .. 'completed', 'zset', P .. 'failed', 'zset', P .. 'priority', 'zset', P .. 'stalled', 'set', X .. 'leases', 'set',
  X .. 'leases:stalled', 'hash', X .. 'audit', 'stream', X .. 'cancel', 'stream' }
local function mending_misfit() return expect_types(MENDING) end
-- The same with its rank.
local function leave_all(id, but)
  leave_states(id, but)
  if but ~= 'wait' and but ~= 'paused' and but ~= 'delayed' then redis.call('ZREM', P .. 'priority', id) end
end
-- To the consumers' end, as after a crash; answers the list.
local function put_in_line(id)
  local list = target_list()
  redis.call('RPUSH', list, id)
  redis.call('PUBLISH', P .. 'waiting@bullock', id)
  return string.sub(list, #P + 1)
end
local function line_name() return string.sub(target_list(), #P + 1) end
local function after_delaying() end
-- What others are told when a job that is whole fails for good.
local function tell_failed(id, reason)
  release_debounce(redis.call('HGET', P .. id, 'deid'))
  tell_buried(id, reason)
end
