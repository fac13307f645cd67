--- @include "types"
--- @include "bullmq/parent"
--- @include "bullmq/marker"
--- @include "bullmq/event"
-- What complete and fail have in common: reading what an end needs to know, and the end of a batch.
local ENDING = { P .. 'active', 'list', P .. 'completed', 'zset', P .. 'meta', 'hash', P .. 'events', 'stream',
  P .. 'marker', 'zset', P .. 'wait', 'list', P .. 'id', 'string', X .. 'leases', 'set' }
-- What a plain queue has not, with the metrics of its `kind` of end.
local function seldom_at_ends(kind)
  local metrics = P .. 'metrics:' .. kind
  return { P .. 'stalled', 'set', P .. 'failed', 'zset', P .. 'paused', 'list', P .. 'prioritized', 'zset', P .. 'pc', 'string',
    P .. 'delayed', 'zset', X .. 'leases:stalled', 'hash', X .. 'suspects', 'hash', metrics, 'hash', metrics .. ':data', 'list' }
end
-- For each run that holds its job: {parentKey, deid, atm, the field `also`}, or an error where there is no hash; and its
-- parent. The error that comes third says which key of a parent is of the wrong type.
local function read_ends(codes, keys, also)
  local ends, parents, wanted, seen = {}, {}, {}, {}
  local try = redis.pcall
  for i = 1, #codes do
    if codes[i] == 0 then
      local found = also and try('HMGET', keys[i], 'parentKey', 'deid', 'atm', also)
        or try('HMGET', keys[i], 'parentKey', 'deid', 'atm')
      ends[i] = found
      if found[1] then
        parents[i] = parent_of(found[1], redis.call('HGET', keys[i], 'parent'))
        if parents[i] then want_parent(parents[i], wanted, seen) end
      end
    end
  end
  return ends, parents, #wanted > 0 and expect_types(wanted) or nil
end
-- After the last end of a batch. `finished`: it was for good, so that `drained` is told if nothing waits or runs. Slots
-- that all workers of the queue share are free again: nobody else says so.
local function end_batch(meta, finished)
  if finished and redis.call('EXISTS', P .. 'wait', P .. 'active', P .. 'prioritized') == 0 then
    emit_untrimmed(P, 'drained')
  elseif meta.concurrency and redis.call('EXISTS', P .. 'wait', P .. 'prioritized') > 0 then
    mark_ready(meta)
  end
end
