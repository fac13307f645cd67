--- @include "mend_beside"
--- @include "bullmq/job_keys"
-- Mends of what only BullMQ has: flows, schedulers, wake-up tokens.
local BESIDE = { ':dependencies', ':processed', ':failed', ':unsuccessful' }
-- A child that a parent waits for is gone: as if it had been removed.
function RULES.flow_child(id, child)
  local key = P .. id
  if kind_of(id) ~= 'hash' or redis.call('SISMEMBER', key .. ':dependencies', child) == 0
    or redis.call('EXISTS', child) == 1 then
    return nil
  end
  local parent = { key = key, base = P, id = id }
  local wanted = {}
  want_parent(parent, wanted, {})
  local wrong = expect_types(wanted)
  if wrong then return wrong end
  local was = places_of(id)[1] or ''
  forget_child(parent, child, false)
  return was, places_of(id)[1] or ''
end
-- No child is pending, and nobody let the parent go on.
function RULES.flow_stuck(id)
  if kind_of(id) ~= 'hash' or not redis.call('ZSCORE', P .. 'waiting-children', id)
    or redis.call('SCARD', P .. id .. ':dependencies') > 0 then
    return nil
  end
  release_parent({ key = P .. id, base = P, id = id }, now)
  return 'waiting-children', places_of(id)[1] or ''
end
function RULES.flow_parent(id)
  local said = kind_of(id) == 'hash' and redis.call('HMGET', P .. id, 'parentKey', 'parent')
  if not said or not said[1] or redis.call('EXISTS', said[1]) == 1 then return nil end
  redis.call('HSET', own_record(id), 'raw:parentKey', said[1])
  redis.call('HDEL', P .. id, 'parentKey', 'parent')
  local state = places_of(id)[1] or ''
  return state, state
end
function RULES.flow_left(id)
  if kind_of(id) ~= 'none' or #places_of(id) > 0 then return nil end
  local gone = 0
  for _, name in ipairs(BESIDE) do gone = gone + redis.call('DEL', P .. id .. name) end
  if gone == 0 then return nil end
  return '', ''
end
-- A scheduler without its record, whose planned job is gone: it will never run again, and nobody knows what it was.
function RULES.scheduler_dead(id)
  local due = redis.call('ZSCORE', P .. 'repeat', id)
  if not due or redis.call('EXISTS', P .. 'repeat:' .. id, P .. 'repeat:' .. id .. ':' .. due) > 0 then return nil end
  redis.call('ZREM', P .. 'repeat', id)
  return '', ''
end
function RULES.marker_missing()
  local meta = read_meta(P)
  if redis.call('EXISTS', P .. 'wait', P .. 'prioritized') > 0 then mark_ready(meta) end
  mark_delayed(P)
  return '', ''
end
