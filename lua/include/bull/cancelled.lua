--- @include "cancel_mark"
--- @include "keep_failed"
--- @include "bull/debounce"
--- @include "bull/retention"
-- Ends a job as cancelled that no run holds and that has left its place: as the last failure of a run would.
local function end_cancelled(id, mark)
  local key, reason = P .. id, cancelled_text(mark)
  local fields = redis.call('HMGET', key, 'opts', 'deid')
  local count, age = keep_failed(fields[1])
  release_debounce(fields[2])
  if count == 0 then
    delete_finished(id)
  else
    redis.call('HSET', key, 'failedReason', reason, 'finishedOn', now)
    note_cancelled(id, mark)
    redis.call('ZADD', P .. 'failed', now, id)
    if count or age then trim_finished(P .. 'failed', count, age, now) end
  end
  count_cancelled()
  redis.call('PUBLISH', P .. 'failed', '{"jobId":' .. cjson.encode(id) .. ',"val":' .. cjson.encode(reason) .. '}')
end
