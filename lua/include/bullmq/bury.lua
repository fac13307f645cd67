--- @include "bullmq/own_key"
--- @include "bullmq/event"
--- @include "record"
-- Puts an id that cannot be run into the dead-letter set, visible to every BullMQ tool, with the reason. The caller has
-- taken it out of its list. Bytes that no reader could decode move to `X job:<id>`, so that getters of Node dashboards
-- go on working and no retry can run a handler on garbage: a hash without data and opts is never run.
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
    local raw = redis.call('HMGET', key, 'data', 'opts')
    if raw[1] then redis.call('HSET', record, 'raw:data', raw[1]) end
    if raw[2] then redis.call('HSET', record, 'raw:opts', raw[2]) end
    redis.call('HDEL', key, 'data', 'opts', 'defa')
  end
  redis.call('HSETNX', key, 'name', '__default__')
  redis.call('HSETNX', key, 'timestamp', now)
  redis.call('HSET', key, 'failedReason', reason, 'finishedOn', now, 'stacktrace', '[]')
  redis.call('HSET', record, 'reason', class, 'buried_at', now)
  redis.call('ZADD', P .. 'failed', now, id)
  emit_untrimmed(P, 'failed', 'jobId', id, 'failedReason', reason, 'prev', 'active')
end
