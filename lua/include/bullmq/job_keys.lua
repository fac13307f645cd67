-- Deletes everything that belongs to a job: never its lock, which its holder lets go of. `extra` is the base of our own
-- records of that queue; nil = it is another queue's job, whose record ends by itself.
local function delete_job(base, id, extra)
  local key = base .. id
  local deleted = redis.call('DEL', key, key .. ':logs', key .. ':dependencies', key .. ':processed', key .. ':failed',
    key .. ':unsuccessful')
  if extra then redis.call('DEL', extra .. 'job:' .. id, extra .. 'broken:' .. id) end
  return deleted
end
