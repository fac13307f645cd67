--- @include "bullmq/meta"
-- Where a waiting job goes now. While a queue is paused that is `paused` if a 5.x library may resume it: it renames that
-- list over `wait` (docs/wire/bullmq.md 15.1). The answer is kept: a script does not pause.
local function target_list(meta)
  if not meta.target then
    local beside = meta.paused and (meta.major <= 5 or redis.call('EXISTS', meta.base .. 'paused') == 1)
    meta.target = meta.base .. (beside and 'paused' or 'wait')
  end
  return meta.target
end
-- A fresh score in `prioritized`. A counter that is none starts anew: INCR would refuse it half-way.
local function prioritized_score(meta, priority)
  local counter = redis.pcall('INCR', meta.base .. 'pc')
  if type(counter) ~= 'number' then
    redis.call('SET', meta.base .. 'pc', 1)
    counter = 1
  end
  return priority * 4294967296 + counter % 4294967296
end
-- A fresh score in `delayed` (docs/wire/bullmq.md 3.3): behind all that are due in the same ms.
local function delayed_score(meta, due)
  local first = math.floor(due) * 4096
  local last = redis.call('ZREVRANGEBYSCORE', meta.base .. 'delayed', first + 4095, first, 'WITHSCORES', 'LIMIT', 0, 1)
  return last[2] and math.min(math.floor(tonumber(last[2])) + 1, first + 4095) or first
end
-- Puts one job among the waiting ones: by its priority, or at the consumer's end, or at the producers'.
local function put_waiting(meta, id, priority, at_consumer_end)
  if priority > 0 then
    redis.call('ZADD', meta.base .. 'prioritized', prioritized_score(meta, priority), id)
  else
    redis.call(at_consumer_end and 'RPUSH' or 'LPUSH', target_list(meta), id)
  end
end
