--- @include "cancel_mark"
--- @include "keep_failed"
--- @include "bullmq/child"
--- @include "bullmq/dedup_end"
--- @include "bullmq/retention"
--- @include "bullmq/event"
-- Ends a job as cancelled that no run holds and that has left the state `was`: as the last failure of a run would, its
-- parent included. A parent whose keys are of the wrong type is left alone.
local function end_cancelled(meta, id, mark, was)
  local key, reason = P .. id, cancelled_text(mark)
  local fields = redis.call('HMGET', key, 'opts', 'deid', 'parentKey', 'parent')
  local count, age, limit = keep_failed(fields[1])
  local parent, wanted = parent_of(fields[3], fields[4]), {}
  if parent then want_parent(parent, wanted, {}) end
  if parent and expect_types(wanted) then parent = nil end
  redis.call('HSET', key, 'failedReason', reason)
  end_dedup(meta, fields[2], id, now)
  if parent then child_failed(parent, key, reason, now) end
  if count == 0 then
    if parent then leave_parent(parent, id) end
    delete_finished({ id })
  else
    redis.call('HSET', key, 'finishedOn', now)
    redis.call('HDEL', key, 'defa')
    note_cancelled(id, mark)
    redis.call('ZADD', P .. 'failed', now, id)
    if count or age then trim_finished(P .. 'failed', count, age, limit, now) end
  end
  count_cancelled()
  emit_untrimmed(P, 'failed', 'jobId', id, 'failedReason', reason, 'prev', was)
end
