--- @include "number"
-- Bull's metrics (docs/wire/bull-4.md 12.2) for `done` jobs that ended in this call. Only the first of them can open
-- a new minute, so a batch gives the same points as its jobs one by one.
local function count_metrics(kind, done, max_points, now)
  if max_points < 1 or done < 1 then return end
  local key = P .. 'metrics:' .. kind
  local prev = redis.call('HMGET', key, 'prevTS', 'prevCount', 'count')
  local before = math.floor(number_of(prev[3]))
  redis.call('HSET', key, 'count', string.format('%.0f', before + done))
  if not prev[1] then
    redis.call('HSET', key, 'prevTS', now, 'prevCount', 0)
    return
  end
  local minutes = math.floor(now / 60000) - math.floor(number_of(prev[1]) / 60000)
  local points = math.min(minutes, max_points)
  if points < 1 then return end
  redis.call('LPUSH', key .. ':data', string.format('%.0f', before - number_of(prev[2])))
  for _ = 2, points do redis.call('LPUSH', key .. ':data', 0) end
  redis.call('LTRIM', key .. ':data', 0, max_points - 1)
  redis.call('HSET', key, 'prevCount', string.format('%.0f', before), 'prevTS', now)
end
