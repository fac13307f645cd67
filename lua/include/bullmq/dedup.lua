--- @include "bullmq/event"
--- @include "bullmq/marker"
--- @include "bullmq/target"
--- @include "bullmq/job_keys"
--- @include "bullmq/delayed"
-- Deduplication (docs/wire/bullmq.md 3.6). `job` is on its way in as `id`, with deid and, as far as asked for, de_ttl
-- (ms), de_extend, de_replace, de_keep_last, de_reschedule. Returns nil: `id` owns the deduplication id and is to be
-- written; or the id of the owner that stands for it.
local function say_deduplicated(meta, job, owner, dropped)
  if meta.five then emit(meta, 'debounced', 'jobId', owner, 'debounceId', job.deid) end
  emit(meta, 'deduplicated', 'jobId', owner, 'deduplicationId', job.deid, 'deduplicatedJobId', dropped)
end
local function own_dedup(key, id, ttl)
  if ttl then redis.call('SET', key, id, 'PX', ttl) else redis.call('SET', key, id) end
end
-- The newest payload waits beside the queue until the owner, which runs, has ended.
local function park(meta, key, job, id, owner)
  local parked = meta.base .. 'dn:' .. job.deid
  redis.call('DEL', parked)
  redis.call('HSET', parked, 'name', job.name, 'data', job.data, 'opts', job.opts, 'jid', id)
  if job.parent_key then
    redis.call('HSET', parked, 'pk', job.parent_key, 'pd', job.parent, 'pdk', job.parent_key .. ':dependencies')
  end
  if job.rjk then redis.call('HSET', parked, 'rjk', job.rjk) end
  redis.call('SET', key, owner) -- without a time to live
end
-- Only an owner that is delayed can be replaced; else the new job is dropped, and nobody is told (so does BullMQ).
local function replace_owner(meta, key, job, id, owner, ttl)
  if redis.call('ZREM', meta.base .. 'delayed', owner) == 0 then return owner end
  delete_job(meta.base, owner)
  emit_untrimmed(meta.base, 'removed', 'jobId', owner, 'prev', 'delayed')
  say_deduplicated(meta, job, id, owner)
  redis.call('DEL', meta.base .. 'dn:' .. job.deid)
  if ttl and not job.de_extend then redis.call('SET', key, id, 'KEEPTTL') else own_dedup(key, id, ttl) end
  mark_delayed(meta.base)
end
local function reschedule(meta, job, owner)
  if redis.call('ZREM', meta.base .. 'delayed', owner) == 0 then return end
  local due = tonumber(job.timestamp) + math.max(0, tonumber(job.delay))
  redis.call('HSET', meta.base .. owner, 'delay', job.delay)
  push_delayed(meta.base, owner, due)
  emit(meta, 'delayed', 'jobId', owner, 'delay', string.format('%.0f', due))
  mark_delayed(meta.base)
end
local function deduplicate(meta, job, id)
  local key, ttl = meta.base .. 'de:' .. job.deid, nil
  if not job.de_keep_last and tonumber(job.de_ttl or 0) > 0 then ttl = job.de_ttl end
  local owner = redis.call('GET', key)
  -- Without a time to live it ends with its job. That job is gone: so is the reason to wait. (5.x waits for ever.)
  if owner and redis.call('EXISTS', meta.base .. owner) == 0 and redis.call('PTTL', key) == -1 then
    redis.call('DEL', key, meta.base .. 'dn:' .. job.deid)
    owner = nil
  end
  if not owner then
    own_dedup(key, id, ttl)
    return nil
  end
  if job.de_keep_last and redis.call('LPOS', meta.base .. 'active', owner) then
    park(meta, key, job, id, owner)
  elseif job.de_replace and not job.has_children then
    return replace_owner(meta, key, job, id, owner, ttl)
  elseif job.de_extend and ttl then
    own_dedup(key, owner, ttl)
  end
  say_deduplicated(meta, job, owner, id)
  if job.de_reschedule and not meta.five then reschedule(meta, job, owner) end
  return owner
end
