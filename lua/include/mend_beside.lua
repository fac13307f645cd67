--- @include "mend_fields"
-- Mends of what stands beside a job: its lock, its marks, its records.
local LEASE_MS = 30000
local function is_active(id) return redis.call('LPOS', P .. 'active', id) and true or false end
-- Whoever lives renews it; else it runs out, and the job is recovered.
function RULES.lock_without_ttl(id)
  local lock = P .. id .. ':lock'
  if redis.call('PTTL', lock) ~= -1 then return nil end
  redis.call('PEXPIRE', lock, LEASE_MS)
  return '', ''
end
function RULES.lock_without_active(id)
  if is_active(id) or not is_held(id) then return nil end
  take_from_run(id, 'kill')
  return '', ''
end
function RULES.wrong_lock(id)
  local lock = P .. id .. ':lock'
  local kind = redis.call('TYPE', lock).ok
  if kind == 'none' or kind == 'string' then return nil end
  redis.call('RENAME', lock, X .. 'broken:' .. id .. ':lock')
  return '', ''
end
function RULES.stalled_not_active(id)
  if is_active(id) or redis.call('SREM', P .. 'stalled', id) == 0 then return nil end
  return '', ''
end
function RULES.lease_entry_stale(id)
  if is_active(id) or redis.call('SREM', X .. 'leases', id) == 0 then return nil end
  redis.call('HDEL', X .. 'leases:stalled', id)
  return '', ''
end
function RULES.stale_record(id)
  local record = X .. 'job:' .. id
  if redis.call('EXISTS', record) == 0 or #places_of(id) > 0 then return nil end
  if kind_of(id) == 'hash' and is_about(record, id) then return nil end
  redis.call('DEL', record)
  return '', ''
end
function RULES.dedup_dangling(deid)
  local key = P .. 'de:' .. deid
  local owner = redis.call('TYPE', key).ok == 'string' and redis.call('GET', key)
  if not owner or redis.call('PTTL', key) ~= -1 or redis.call('EXISTS', P .. owner) == 1 then return nil end
  redis.call('DEL', key)
  return '', ''
end
