--- @include "sync"
--- @include "sync_index"
-- Starting a sync is the same in both dialects but for adding its job: `asked` is the id that it is to have ('' = any),
-- `refuse_job` checks it, `add` adds it and answers its id, and 1 if it existed.
local by, from, why, org, idem, idem_ms = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local kind, one_per_org = ARGV[7], ARGV[8] == '1' and ARGV[4] ~= ''
local idem_key, index, one = X .. 'idem:' .. org .. ':' .. idem, X .. 'org:' .. org, X .. 'one:' .. org
local function start(asked, refuse_job, add)
  local wrong = expect_types({ idem_key, 'string', index, 'zset', one, 'hash', X .. 'syncs', 'zset' }) or refuse_job()
  if wrong then return wrong end
  local function answer(code, id, state)
    return { code, id, state, hold_of(id) and 1 or 0 }
  end
  -- An id that somebody asks for by its name may be another organisation's, or nobody's.
  local function is_taken(id)
    return org ~= '' and redis.pcall('HGET', X .. 'job:' .. id, 'org') ~= org
  end
  -- The same start again: it goes on if it was interrupted.
  local function same(id)
    local misfit = sync_misfit(id)
    if misfit then return misfit end
    local was = state_of(id)
    if not was then return nil end
    if is_taken(id) then return { 3, id, '', 0 } end
    if go_on(id, was) ~= 1 then return answer(1, id, was) end
    local state = state_of(id)
    audit('sync.resume', id, was, state, by, from, why)
    return answer(2, id, state)
  end
  local known = idem ~= '' and redis.call('GET', idem_key) or asked
  local found = known ~= '' and same(known)
  if found then return found end
  if one_per_org then
    local running = redis.call('HGET', one, kind)
    local state = running and state_of(running)
    if state and state ~= 'completed' and state ~= 'failed' then return answer(1, running, state) end
  end
  local misfit = sync_misfit('')
  if misfit then return misfit end
  local id, existed = add()
  if existed == 1 and is_taken(id) then return { 3, id, '', 0 } end
  if existed == 1 then return answer(1, id, state_of(id) or 'stuck') end
  if idem ~= '' then
    redis.call('SET', idem_key, id, 'PX', idem_ms)
    redis.call('HSET', own_record(id), 'idem', org .. ':' .. idem) -- retention leaves it alone as long as the key holds
  end
  index_sync(X .. 'syncs', id)
  if org ~= '' then
    redis.call('HSET', own_record(id), 'org', org)
    index_sync(index, id)
    if one_per_org then redis.call('HSET', one, kind, id) end
  end
  local state = state_of(id) or 'stuck'
  audit('sync.start', id, '', state, by, from, why)
  return answer(0, id, state)
end
