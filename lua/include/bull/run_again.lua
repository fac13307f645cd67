--- @include "revive"
--- @include "bull/target"
-- Puts a job that has ended, `failed` or `completed`, back to waiting (docs/wire/bull-4.md 8.3). Its attempts stay.
local function run_again(id, state, lifo, token)
  local key = P .. id
  redis.call('HDEL', key, 'finishedOn', 'processedOn', 'failedReason')
  if state == 'completed' then redis.call('HDEL', key, 'returnvalue') end
  redis.call('HSET', key, 'retriedOn', now)
  redis.call('ZREM', P .. state, id)
  revive(id)
  redis.call(lifo and 'RPUSH' or 'LPUSH', target_list(), id)
  redis.call('PUBLISH', P .. 'waiting@' .. token, id)
end
