--- @include "bull/own_key"
-- Takes a job out of every list and set, and deletes what belongs to it (docs/wire/bull-4.md 12.1).
local function forget_limiter(id)
  local sleeping = redis.call('HGET', P .. 'limiter:index', id)
  if sleeping then
    redis.pcall('SREM', sleeping, id)
    redis.call('HDEL', P .. 'limiter:index', id)
  end
end
local function remove_job(id, with_debounce)
  redis.call('LREM', P .. 'active', 0, id)
  redis.call('LREM', P .. 'wait', 0, id)
  redis.call('LREM', P .. 'paused', 0, id)
  redis.call('ZREM', P .. 'delayed', id)
  redis.call('ZREM', P .. 'completed', id)
  redis.call('ZREM', P .. 'failed', id)
  redis.call('ZREM', P .. 'priority', id)
  redis.call('SREM', X .. 'leases', id)
  if with_debounce and not is_own_key(id) then
    local deid = redis.pcall('HGET', P .. id, 'deid')
    if type(deid) == 'string' then redis.call('DEL', P .. 'de:' .. deid) end
  end
  forget_limiter(id)
  if is_own_key(id) then return end -- listed, but no job
  redis.call('DEL', P .. id, P .. id .. ':logs', X .. 'job:' .. id, X .. 'broken:' .. id, X .. 'items:' .. id,
    X .. 'retry:' .. id, X .. 'seen:' .. id)
end
-- What it writes to; check before the first removal.
local REMOVAL = { P .. 'active', 'list', P .. 'wait', 'list', P .. 'paused', 'list', P .. 'delayed', 'zset',
  P .. 'completed', 'zset', P .. 'failed', 'zset', P .. 'priority', 'zset', P .. 'limiter:index', 'hash',
  X .. 'leases', 'set' }
