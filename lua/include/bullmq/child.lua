--- @include "bullmq/parent"
-- What the end of a child does to its parent (docs/wire/bullmq.md 9.1, 9.2).
local function child_completed(parent, child_key, result, now)
  if redis.call('SREM', parent.key .. ':dependencies', child_key) == 0 then return end
  redis.call('HSET', parent.key .. ':processed', child_key, result)
  release_parent_if_done(parent, now)
end
-- A child failed whose failure fails the parent: at its next claim, so that it must be claimed now if it rests.
local function fail_parent(parent, child_key, now)
  redis.call('ZADD', parent.key .. ':unsuccessful', now, child_key)
  if redis.call('EXISTS', parent.key) == 0 then return end
  local why = 'child ' .. child_key .. ' failed'
  local rests = redis.call('ZREM', parent.base .. 'waiting-children', parent.id) == 1
  if not rests and redis.call('ZREM', parent.base .. 'delayed', parent.id) == 1 then
    redis.call('HSET', parent.key, 'delay', 0)
    rests = true
  end
  if rests then
    redis.call('HSET', parent.key, 'defa', why)
    place_parent(parent, now)
  elseif not redis.call('ZSCORE', parent.base .. 'failed', parent.id) then
    redis.call('HSET', parent.key, 'defa', why)
  end
end
-- Without a policy the child stays pending, and its parent waits until it is retried or removed.
local function child_failed(parent, child_key, reason, now)
  if not (parent.fpof or parent.cpof or parent.idof or parent.rdof) then return end
  if redis.call('SREM', parent.key .. ':dependencies', child_key) == 0 then return end
  if parent.fpof then
    fail_parent(parent, child_key, now)
  elseif parent.cpof then
    redis.call('HSET', parent.key .. ':failed', child_key, reason)
    release_parent(parent, now)
  else
    release_parent_if_done(parent, now)
    if parent.idof then redis.call('HSET', parent.key .. ':failed', child_key, reason) end
  end
end
