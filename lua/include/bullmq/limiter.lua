--- @include "number"
-- The rate limiter (docs/wire/bullmq.md 4.4), shared with Node workers through the same key. `max` is taken from `meta`
-- first, `duration` from the worker first.
local function limiter_of(meta, worker_max, worker_ms)
  local max = meta.max or (worker_max > 0 and worker_max) or nil
  local duration = worker_ms > 0 and worker_ms or math.floor(math.abs(number_of(meta.duration)))
  return { key = P .. 'limiter', max = max, duration = duration }
end
-- How many jobs may be taken now, and for how many ms none may (0 = some may).
local function limiter_room(limiter)
  if not limiter.max then return math.huge, 0 end
  local text, left = redis.call('GET', limiter.key), redis.call('PTTL', limiter.key)
  limiter.used = text and string.match(text, '^%d+$') and number_of(text) or 0
  -- A count that never ends limits nobody.
  if left == -1 or (left == -2 and limiter.duration < 1) then return math.huge, 0 end
  if limiter.used < limiter.max then return limiter.max - limiter.used, 0 end
  if left > 0 then return 0, left end
  redis.call('DEL', limiter.key)
  limiter.used = 0
  return limiter.max, 0
end
-- Counts jobs that were taken. A count that is none starts anew: INCR would be refused half-way.
local function limiter_count(limiter, taken)
  if not limiter.max or taken == 0 then return end
  if limiter.used > 0 then
    redis.call('INCRBY', limiter.key, taken)
  elseif limiter.duration > 0 then
    redis.call('SET', limiter.key, taken, 'PX', limiter.duration)
  end
end
