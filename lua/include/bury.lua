--- @include "set_aside"
-- Puts an id that cannot be run into the dead-letter set, visible to every tool of the dialect, with the reason. The caller has
-- taken it out of its list. The dialect's own fragment brings `is_own_key` and `tell_buried`.
local function bury(id, class, reason, now)
  local key, record = P .. id, own_record(id)
  if is_own_key(id) then -- no job, and its key is not ours to touch: only the note is left
    redis.call('HSET', record, 'reason', class, 'buried_at', now)
    return
  end
  local found = redis.call('TYPE', key).ok
  if found ~= 'hash' and found ~= 'none' then
    redis.call('RENAME', key, X .. 'broken:' .. id)
    reason = reason .. '; the ' .. found .. ' that stood in its place is kept at ' .. X .. 'broken:' .. id
  elseif found == 'hash' then
    set_aside(id)
  end
  redis.call('HSETNX', key, 'name', '__default__')
  redis.call('HSETNX', key, 'timestamp', now)
  redis.call('HSET', key, 'failedReason', reason, 'finishedOn', now, 'stacktrace', '[]')
  redis.call('HSET', record, 'reason', class, 'buried_at', now)
  redis.call('ZADD', P .. 'failed', now, id)
  tell_buried(id, reason)
end
