-- Bull's rate limiter (docs/wire/bull-4.md 9), shared with Node workers through the same keys. True = this id sleeps
-- in `delayed` now and is not claimed. (Bull's bounceBack loses jobs and is not offered.)
local function limiter_counter(id, grouped)
  return P .. 'limiter' .. (grouped and ':' .. string.match(id, '[^:]*$') or '')
end
-- The key that is of another type than the limiter needs, before anything is written; nil = none.
local function limiter_misfit(ids, grouped)
  local wanted, seen = { P .. 'limiter:index', 'hash' }, {}
  for _, id in ipairs(ids) do
    local counter = limiter_counter(id, grouped)
    if not seen[counter] then
      seen[counter] = true
      local n = #wanted
      wanted[n + 1], wanted[n + 2], wanted[n + 3], wanted[n + 4] = counter, 'string', counter .. ':limited', 'set'
    end
  end
  return expect_types(wanted)
end
local function put_to_sleep(id, max, duration, grouped, now)
  local counter = limiter_counter(id, grouped)
  local sleeping, index = counter .. ':limited', P .. 'limiter:index'
  local delay = 0
  if redis.call('SISMEMBER', sleeping, id) == 1 then
    redis.call('SREM', sleeping, id)
    redis.call('HDEL', index, id)
  else
    local others = redis.call('SCARD', sleeping)
    if others > 0 then delay = others * duration * 1.1 / max + redis.call('PTTL', counter) end
  end
  -- A count that is none starts anew: INCR would refuse it half-way.
  local text = redis.call('GET', counter)
  local used = text and #text < 16 and string.match(text, '^%d+$') and tonumber(text) or 0
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
