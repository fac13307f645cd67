--- @include "number"
--- @include "bullmq/waiting"
--- @include "bullmq/marker"
--- @include "bullmq/event"
-- Puts a job that was taken out of `delayed` among the waiting ones (docs/wire/bullmq.md 7.1).
local function bring_forward(id)
  local meta = read_meta(P)
  put_waiting(meta, id, number_of(redis.call('HGET', P .. id, 'priority')))
  mark_ready(meta)
  emit_untrimmed(meta.base, 'waiting', 'jobId', id, 'prev', 'delayed')
  if redis.call('EXISTS', P .. id) == 1 then redis.call('HSET', P .. id, 'delay', 0) end
end
