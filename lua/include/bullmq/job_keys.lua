-- Our own records of the queue at `base`, which may be another one than ours: its name has no colon.
local function extra_of(base)
  local prefix, queue = string.match(base, '^(.*):([^:]+):$')
  return prefix and prefix .. '::x:' .. queue .. '::' or X
end
-- Deletes everything that belongs to a job, but never its lock, which its holder lets go of. True = something was there.
local function delete_job(base, id)
  local key, extra = base .. id, extra_of(base)
  redis.call('SREM', extra .. 'leases', id)
  redis.call('DEL', extra .. 'job:' .. id, extra .. 'broken:' .. id, extra .. 'items:' .. id, extra .. 'retry:' .. id,
    extra .. 'seen:' .. id)
  return redis.call('DEL', key, key .. ':logs', key .. ':dependencies', key .. ':processed', key .. ':failed',
    key .. ':unsuccessful') > 0
end
