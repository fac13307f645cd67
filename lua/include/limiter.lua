-- Bull's rate limiter (docs/wire/bull-4.md 9), shared with Node workers through the same keys. True = this id sleeps
-- in `delayed` now and is not claimed. (Bull's bounceBack loses jobs and is not offered.)
local function put_to_sleep(id, max, duration, grouped, now)
  local counter = P .. 'limiter'
  if grouped then counter = counter .. ':' .. string.match(id, '[^:]*$') end
  local sleeping, index = counter .. ':limited', P .. 'limiter:index'
  local delay = 0
  if redis.call('SISMEMBER', sleeping, id) == 1 then
    redis.call('SREM', sleeping, id)
    redis.call('HDEL', index, id)
  else
    local others = redis.call('SCARD', sleeping)
    if others > 0 then delay = others * duration * 1.1 / max + redis.call('PTTL', counter) end
  end
  local used = tonumber(redis.call('GET', counter) or 0)
  if delay == 0 and used >= max then delay = redis.call('PTTL', counter) + (used - max) * duration / max end
  if delay > 0 then
    local due = now + delay
    redis.call('ZADD', P .. 'delayed', due * 4096 + used % 4096, id)
    redis.call('PUBLISH', P .. 'delayed', due)
    redis.call('SADD', sleeping, id)
    redis.call('HSET', index, id, sleeping)
    return true
  end
  if used == 0 then redis.call('SET', counter, 1, 'PX', duration) else redis.call('INCR', counter) end
  return false
end
