--- @include "bullmq/event"
--- @include "bullmq/marker"
--- @include "bullmq/waiting"
--- @include "bullmq/delayed"
-- Writes and places a job of the queue that `meta` describes (docs/wire/bullmq.md 3.1, 3.2). `job`: name, data, opts,
-- timestamp, delay, priority, lifo ('1' = next to run); where they apply parent_key and parent (JSON), rjk, deid,
-- has_children (it waits for them). What can be done once for a batch is gathered in `meta` and done by settle().
local RARE = { parentKey = 'parent_key', parent = 'parent', rjk = 'rjk', deid = 'deid' }
local function write_job(meta, id, job)
  local key = meta.base .. id
  redis.call('HSET', key, 'name', job.name, 'data', job.data, 'opts', job.opts, 'timestamp', job.timestamp,
    'delay', job.delay, 'priority', job.priority)
  if job.parent_key or job.rjk or job.deid then
    for field, member in pairs(RARE) do
      if job[member] then redis.call('HSET', key, field, job[member]) end
    end
  end
  emit_untrimmed(meta.base, 'added', 'jobId', id, 'name', job.name)
end
local function place_job(meta, id, job)
  local delay, priority = tonumber(job.delay), tonumber(job.priority)
  if job.has_children then
    redis.call('ZADD', meta.base .. 'waiting-children', job.timestamp, id)
    emit(meta, 'waiting-children', 'jobId', id)
    return
  end
  if delay > 0 then
    local due = tonumber(job.timestamp) + delay
    push_delayed(meta.base, id, due)
    meta.due_changed = true
    emit(meta, 'delayed', 'jobId', id, 'delay', string.format('%.0f', due))
    return
  end
  if priority > 0 then
    put_waiting(meta, id, priority)
  else
    local push = job.lifo == '1' and 'RPUSH' or 'LPUSH'
    meta[push] = meta[push] or {}
    meta[push][#meta[push] + 1] = id
  end
  meta.has_ready = true
  emit(meta, 'waiting', 'jobId', id)
end
local function settle(meta)
  for _, push in ipairs({ 'LPUSH', 'RPUSH' }) do
    if meta[push] then redis.call(push, target_list(meta), unpack(meta[push])) end
    meta[push] = nil
  end
  if meta.has_ready then mark_ready(meta) end
  if meta.due_changed then mark_delayed(meta.base) end
  meta.has_ready, meta.due_changed = nil, nil
end
