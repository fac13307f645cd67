--- @include "revive"
--- @include "number"
--- @include "bullmq/reprocess"
--- @include "bullmq/waiting"
--- @include "bullmq/marker"
--- @include "bullmq/event"
-- Puts a job that has ended, `failed` or `completed`, back to waiting (docs/wire/bullmq.md 7.5). Its attempts stay unless
-- they are to be counted anew.
local function run_again(id, state, lifo, _, anew)
  local key = P .. id
  redis.call('HDEL', key, 'finishedOn', 'processedOn', state == 'failed' and 'failedReason' or 'returnvalue')
  if anew then redis.call('HDEL', key, 'atm', 'ats') end
  redis.call('ZREM', P .. state, id)
  revive(id)
  local meta = read_meta(P)
  -- 5.x does not look at the priority here.
  local priority = not meta.five and number_of(redis.call('HGET', key, 'priority')) or 0
  put_waiting(meta, id, priority, lifo)
  mark_ready(meta)
  restore_dependency(key)
  emit(meta, 'waiting', 'jobId', id, 'prev', state)
end
