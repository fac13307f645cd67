--- @include "bull/target"
--- @include "number"
-- Bull's priority insertion (docs/wire/bull-4.md 4.3): the right end of the list is taken to hold the members of
-- `priority` in order; the new id goes just left of all with a priority up to its own.
local function insert_by_priority(list, id, priority)
  redis.call('ZADD', P .. 'priority', priority, id)
  local ahead = redis.call('ZCOUNT', P .. 'priority', 0, priority)
  local pivot = redis.call('LINDEX', list, redis.call('LLEN', list) - (ahead - 1))
  if pivot then
    redis.call('LINSERT', list, 'BEFORE', pivot, id)
  else
    redis.call('RPUSH', list, id)
  end
end
-- The priority that the hash holds; garbage counts as none.
local function priority_of(id)
  local stored = redis.pcall('HGET', P .. id, 'priority')
  return type(stored) == 'string' and number_of(stored) or 0
end
