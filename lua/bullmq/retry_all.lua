--- Puts the oldest failed jobs back to waiting.
-- KEYS  P, X
-- ARGV  most jobs to look at in this call, how many of the oldest to pass over
-- Reply how many were taken, how many were left where they are; together fewer than asked for = none is left
-- Kept  a job is in exactly one place; one that runs or has no body stays failed. As in BullMQ their priorities do not count
-- Spec  docs/wire/bullmq.md 7.6
--- @include "keys"
--- @include "types"
--- @include "bullmq/remove"
--- @include "bullmq/reprocess"
local failed = P .. 'failed'
local wrong = expect_types(removal_types(P, {}))
if wrong then return wrong end
local looked_at, meta = redis.call('ZRANGE', failed, ARGV[2], ARGV[2] + ARGV[1] - 1), read_meta(P)
wrong = parents_misfit(P, looked_at)
if wrong then return wrong end
local ids, left = {}, 0
local function can_run(id)
  return redis.call('EXISTS', P .. id .. ':lock') == 0 and redis.pcall('HEXISTS', P .. id, 'data') == 1
end
for _, id in ipairs(looked_at) do
  if can_run(id) then
    ids[#ids + 1] = id
    redis.call('HDEL', P .. id, 'finishedOn', 'processedOn', 'failedReason')
    redis.pcall('HDEL', X .. 'job:' .. id, 'crashes', 'reason', 'buried_at', 'cancel', 'cancelled')
    if not meta.five then restore_dependency(P .. id) end
    emit(meta, 'waiting', 'jobId', id, 'prev', 'failed')
  else
    left = left + 1
  end
end
if #ids > 0 then
  redis.call('ZREM', failed, unpack(ids))
  redis.call('LPUSH', target_list(meta), unpack(ids))
  mark_ready(meta)
end
return { #ids, left }
