--- @include "number"
--- @include "bullmq/target"
--- @include "bullmq/marker"
--- @include "bullmq/event"
--- @include "bullmq/prioritized"
--- @include "bullmq/bury"
-- Delayed jobs that are due (docs/wire/bullmq.md 4.1): which they are, and moving them to waiting. That happens in every
-- claim, also while the queue is paused, maxed or limited.
local DUE_MOST = 1000
local function due_jobs(now, most)
  return redis.call('ZRANGEBYSCORE', P .. 'delayed', '-inf', (now + 1) * 4096 - 1, 'LIMIT', 0, most or DUE_MOST)
end
local function promote(meta, ids, now)
  if #ids == 0 then return end
  redis.call('ZREM', P .. 'delayed', unpack(ids))
  local waiting = {}
  for _, id in ipairs(ids) do
    local key = P .. id
    -- `data` may be long: it is not read to know that it is there.
    local fields = redis.pcall('HMGET', key, 'opts', 'priority')
    if fields.err or not (fields[1] or redis.call('HEXISTS', key, 'data') == 1) then
      bury(id, fields.err and 'undecodable' or 'body_missing', 'the delayed job has no body', now)
    else
      local priority = number_of(fields[2])
      if priority > 0 then push_prioritized(P, id, priority) else waiting[#waiting + 1] = id end
      emit_untrimmed(P, 'waiting', 'jobId', id, 'prev', 'delayed')
      redis.call('HSET', key, 'delay', 0)
    end
  end
  if #waiting > 0 then redis.call('LPUSH', target_list(meta), unpack(waiting)) end
  mark_ready(meta)
end
-- When the first of the rest is due, ms; nil = none is delayed.
local function next_due()
  local first = redis.call('ZRANGE', P .. 'delayed', 0, 0, 'WITHSCORES')
  return first[2] and math.floor(tonumber(first[2]) / 4096)
end
