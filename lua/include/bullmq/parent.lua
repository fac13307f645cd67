--- @include "number"
--- @include "types"
--- @include "bullmq/meta"
--- @include "bullmq/target"
--- @include "bullmq/marker"
--- @include "bullmq/event"
--- @include "bullmq/prioritized"
-- Parents of flows (docs/wire/bullmq.md 9). A parent may live in another queue: everything here goes by its own base.

-- The parent of a job, from the fields `parentKey` and `parent` of its hash; nil = it has none.
local function parent_of(key, json)
  if not key or key == '' then return nil end
  local ok, said = pcall(cjson.decode, json or '')
  said = ok and type(said) == 'table' and said or {}
  local queue, id = said.queueKey, said.id
  if type(queue) ~= 'string' or type(id) ~= 'string' or queue .. ':' .. id ~= key then
    queue, id = string.match(key, '^(.*):([^:]*)$')
    if not queue then return nil end
  end
  return { key = key, base = queue .. ':', id = id, fpof = said.fpof == true, cpof = said.cpof == true,
    idof = said.idof == true, rdof = said.rdof == true }
end
-- Keys that a parent's release writes to, and of which type they must be; check before the first write. `seen` gathers
-- the queues and parents that are in `wanted` already.
local function want_parent(parent, wanted, seen)
  local function want(key, kind)
    wanted[#wanted + 1] = key
    wanted[#wanted + 1] = kind
  end
  if not seen[parent.base] then
    seen[parent.base] = true
    for name, kind in pairs({ meta = 'hash', events = 'stream', marker = 'zset', wait = 'list', paused = 'list',
      active = 'list', prioritized = 'zset', delayed = 'zset', ['waiting-children'] = 'zset', failed = 'zset' }) do
      want(parent.base .. name, kind)
    end
  end
  if not seen[parent.key] then
    seen[parent.key] = true
    want(parent.key, 'hash')
    want(parent.key .. ':dependencies', 'set')
    want(parent.key .. ':processed', 'hash')
    want(parent.key .. ':failed', 'hash')
    want(parent.key .. ':unsuccessful', 'zset')
  end
end
local function leaves_waiting_children(parent)
  return redis.call('EXISTS', parent.key) == 1
    and redis.call('ZREM', parent.base .. 'waiting-children', parent.id) == 1
end
-- Puts a parent that is in no state any more among the delayed, the prioritized or the waiting jobs.
local function place_parent(parent, now)
  local meta = read_meta(parent.base)
  local said = redis.call('HMGET', parent.key, 'delay', 'priority')
  local delay, priority = number_of(said[1]), number_of(said[2])
  if delay > 0 then
    redis.call('ZADD', parent.base .. 'delayed', math.floor(now + delay) * 4096, parent.id)
    emit_untrimmed(parent.base, 'delayed', 'jobId', parent.id, 'delay', now + delay)
    mark_delayed(parent.base)
  else
    if priority > 0 then
      push_prioritized(parent.base, parent.id, priority)
    else
      redis.call('RPUSH', target_list(meta), parent.id)
    end
    mark_ready(meta)
    emit_untrimmed(parent.base, 'waiting', 'jobId', parent.id, 'prev', 'waiting-children')
  end
end
-- Releases a parent that waits for its children (9.3). The caller has seen that none is pending, or does not care.
local function release_parent(parent, now)
  if leaves_waiting_children(parent) then place_parent(parent, now) end
end
-- The same if no child is pending.
local function release_parent_if_done(parent, now)
  if redis.call('SCARD', parent.key .. ':dependencies') == 0 then release_parent(parent, now) end
end
-- A child is removed: it is pending no more. If it was the last one its parent goes to waiting, whatever its delay or
-- priority; `silent` (hard removal) without an event. True = it was the last one and the parent was let go.
local function forget_child(parent, child_key, silent)
  if redis.call('SREM', parent.key .. ':dependencies', child_key) == 0 then return false end
  if redis.call('SCARD', parent.key .. ':dependencies') > 0 or not leaves_waiting_children(parent) then return false end
  local meta = read_meta(parent.base)
  redis.call('RPUSH', target_list(meta), parent.id)
  mark_ready(meta)
  if not silent then emit_untrimmed(parent.base, 'waiting', 'jobId', parent.id, 'prev', 'waiting-children') end
  return true
end
