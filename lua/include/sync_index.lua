local KEPT_IN_INDEX = 10000
-- Notes a sync by the time of its start; the newest of them are known. A first commit notes those that producers have
-- added by themselves: `only_new` leaves the time of the others alone.
local function index_sync(index, id, only_new)
  if only_new then redis.call('ZADD', index, 'NX', now, id) else redis.call('ZADD', index, now, id) end
  redis.call('ZREMRANGEBYRANK', index, 0, -KEPT_IN_INDEX - 1)
end
