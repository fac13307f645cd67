--- @include "bullmq/parent"
-- A finished child that is to run again is pending again, if its parent has noted its end.
local function restore_dependency(key)
  local said = redis.call('HMGET', key, 'parentKey', 'parent')
  local parent = parent_of(said[1], said[2])
  if not parent or redis.call('EXISTS', parent.key) == 0 then return end
  if redis.call('ZREM', parent.key .. ':unsuccessful', key) == 1 or redis.call('HDEL', parent.key .. ':failed', key) == 1
    or redis.call('HDEL', parent.key .. ':processed', key) == 1 then
    redis.call('SADD', parent.key .. ':dependencies', key)
  end
end
