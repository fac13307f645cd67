-- Puts a job into `delayed` of the queue at `base` (docs/wire/bullmq.md 3.3): the first free score of its millisecond,
-- so that jobs due together keep their order. The caller marks and emits.
local function push_delayed(base, id, due)
  local lowest, set = due * 4096, base .. 'delayed'
  local score = lowest
  local last = redis.call('ZREVRANGEBYSCORE', set, string.format('%.0f', lowest + 4095), string.format('%.0f', lowest),
    'WITHSCORES', 'LIMIT', 0, 1)
  if last[2] then score = math.min(tonumber(last[2]) + 1, lowest + 4095) end
  redis.call('ZADD', set, string.format('%.0f', score), id)
end
