--- @include "types"
--- @include "bullmq/marker"
--- @include "bullmq/event"
-- What complete and fail have in common: the keys of an end, and the end of a batch.
local ENDING = { P .. 'active', 'list', P .. 'completed', 'zset', P .. 'meta', 'hash', P .. 'events', 'stream',
  P .. 'marker', 'zset', P .. 'wait', 'list', P .. 'id', 'string', X .. 'leases', 'set' }
-- What a plain queue has not, with the metrics of its `kind` of end.
local function seldom_at_ends(kind)
  local metrics = P .. 'metrics:' .. kind
  return { P .. 'stalled', 'set', P .. 'failed', 'zset', P .. 'paused', 'list', P .. 'prioritized', 'zset', P .. 'pc', 'string',
    P .. 'delayed', 'zset', X .. 'leases:stalled', 'hash', X .. 'suspects', 'hash', metrics, 'hash', metrics .. ':data', 'list' }
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
