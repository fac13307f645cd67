--- @include "bull/waiting"
-- Puts a job that was taken out of `delayed` among the waiting ones (docs/wire/bull-4.md 8.3).
local function bring_forward(id, token)
  local list, priority = target_list(), priority_of(id)
  if priority ~= 0 then insert_by_priority(list, id, priority) else redis.call('LPUSH', list, id) end
  redis.call('PUBLISH', P .. 'waiting@' .. token, id)
  if redis.call('EXISTS', P .. id) == 1 then redis.call('HSET', P .. id, 'delay', 0) end
end
