--- @include "bullmq/own_key"
--- @include "bullmq/job_keys"
--- @include "bullmq/parent"
-- Removing jobs (docs/wire/bullmq.md 7.8, 7.10, 7.11).

-- What a removal writes to in a queue; check before the first one.
local function removal_types(base, wanted)
  for name, kind in pairs({ meta = 'hash', events = 'stream', marker = 'zset', wait = 'list', paused = 'list',
    active = 'list', prioritized = 'zset', delayed = 'zset', ['waiting-children'] = 'zset', completed = 'zset',
    failed = 'zset', ['repeat'] = 'zset' }) do
    wanted[#wanted + 1] = base .. name
    wanted[#wanted + 1] = kind
  end
  wanted[#wanted + 1] = extra_of(base) .. 'leases'
  wanted[#wanted + 1] = 'set'
  return wanted
end
-- Fields of what should be a job; nothing of what is none.
local function fields_of(key, ...)
  local found = redis.pcall('HMGET', key, ...)
  return found.err and {} or found
end
local function parent_of_job(base, id)
  local said = fields_of(base .. id, 'parentKey', 'parent')
  return parent_of(said[1], said[2])
end
-- The same for many jobs: what their parents need to be, before any of them is let go.
local function parents_misfit(base, ids)
  local wanted, seen = {}, {}
  for _, id in ipairs(ids) do
    local parent = not is_own_key(id) and parent_of_job(base, id)
    if parent then want_parent(parent, wanted, seen) end
  end
  return expect_types(wanted)
end
-- The iteration that a scheduler has planned and that has not ended: it goes with its scheduler only.
local function is_planned(base, id)
  if not string.match(id, '^repeat:') then return false end
  local scheduler = fields_of(base .. id, 'rjk')[1]
  local due = scheduler and redis.call('ZSCORE', base .. 'repeat', scheduler)
  return due and id == 'repeat:' .. scheduler .. ':' .. string.format('%.0f', tonumber(due))
end
-- Takes an id out of the state it is in; answers that state's name.
local function leave_state(base, id)
  for _, state in ipairs({ 'completed', 'waiting-children', 'delayed', 'failed', 'prioritized' }) do
    if redis.call('ZREM', base .. state, id) == 1 then return state end
  end
  for _, state in ipairs({ 'wait', 'paused', 'active' }) do
    if redis.call('LREM', base .. state, 0, id) > 0 then return state end
  end
  return 'unknown'
end
local function free_dedup(base, id)
  local deid = fields_of(base .. id, 'deid')[1]
  if deid and redis.call('MGET', base .. 'de:' .. deid)[1] == id then
    redis.call('DEL', base .. 'de:' .. deid, base .. 'dn:' .. deid)
  end
end
-- Deletes a job that has left its state. Its parent counts one child less; if that was the last one it goes on. With
-- `hard` it does so silently, and in the same queue it is deleted as well. True = there was a job.
local drop_job
function drop_job(base, id, hard, with_dedup)
  if is_own_key(id) then return false end
  if with_dedup then free_dedup(base, id) end
  local parent = parent_of_job(base, id)
  local gone = delete_job(base, id)
  if not parent then return gone end
  if not hard or parent.base ~= base then
    forget_child(parent, base .. id, hard)
  elseif redis.call('SREM', parent.key .. ':dependencies', base .. id) == 1
    and redis.call('SCARD', parent.key .. ':dependencies') == 0 and leaves_waiting_children(parent) then
    drop_job(base, parent.id, hard, with_dedup)
  end
  return gone
end
