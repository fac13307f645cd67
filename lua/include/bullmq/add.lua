--- @include "bullmq/meta"
--- @include "bullmq/target"
--- @include "bullmq/marker"
--- @include "bullmq/event"
--- @include "bullmq/delayed"
--- @include "bullmq/prioritized"
-- Writes and places a job of the queue that `meta` describes (docs/wire/bullmq.md 3.1, 3.2). `job`: name, data, opts,
-- timestamp, delay, priority, lifo ('1' = next to run); where they apply: parent_key and parent (JSON), rjk, deid,
-- has_children (it waits for them). Lists and markers are gathered in `meta` and written by settle(), once for a batch.
local function write_job(meta, id, job)
  local fields = { 'name', job.name, 'data', job.data, 'opts', job.opts, 'timestamp', job.timestamp,
    'delay', job.delay, 'priority', job.priority }
  local n = 12
  local function also(field, value)
    fields[n + 1], fields[n + 2] = field, value
    n = n + 2
  end
  if job.parent_key then
    also('parentKey', job.parent_key)
    also('parent', job.parent)
  end
  if job.rjk then also('rjk', job.rjk) end
  if job.deid then also('deid', job.deid) end
  redis.call('HSET', meta.base .. id, unpack(fields))
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
    meta.marks_delayed = true
    emit(meta, 'delayed', 'jobId', id, 'delay', string.format('%.0f', due))
    return
  end
  if priority > 0 then
    push_prioritized(meta.base, id, priority)
  else
    local side = job.lifo == '1' and 'RPUSH' or 'LPUSH'
    meta[side] = meta[side] or {}
    meta[side][#meta[side] + 1] = id
  end
  meta.marks_ready = true
  emit(meta, 'waiting', 'jobId', id)
end
local function settle(meta)
  for _, side in ipairs({ 'LPUSH', 'RPUSH' }) do
    if meta[side] then redis.call(side, target_list(meta), unpack(meta[side])) end
    meta[side] = nil
  end
  if meta.marks_ready then mark_ready(meta) end
  if meta.marks_delayed then mark_delayed(meta.base) end
  meta.marks_ready, meta.marks_delayed = nil, nil
end
