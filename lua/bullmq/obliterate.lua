--- Deletes a queue with everything in it. The caller has paused it.
-- KEYS  P, X
-- ARGV  force 0|1 (also with jobs running), most jobs in this call
-- Reply 1 more is left, 0 done, -1 not paused, -2 jobs are running
-- Kept  refused before anything is deleted; no lock outlives its job. As in BullMQ parents that wait for their children
--       stay, with the rate limiter's counter and deduplication ids that end by themselves
-- Spec  docs/wire/bullmq.md 7.12
--- @include "keys"
--- @include "types"
--- @include "bullmq/remove"
local wrong = expect_types(removal_types(P, {}))
if wrong then return wrong end
if redis.call('HEXISTS', P .. 'meta', 'paused') == 0 then return -1 end
if ARGV[1] ~= '1' and redis.call('LLEN', P .. 'active') > 0 then return -2 end
local budget = tonumber(ARGV[2])
for _, state in ipairs({ 'active', 'delayed', 'completed', 'wait', 'paused', 'prioritized', 'failed' }) do
  local is_list = state == 'active' or state == 'wait' or state == 'paused'
  local ids = budget > 0 and redis.call(is_list and 'LRANGE' or 'ZRANGE', P .. state, 0, budget - 1) or {}
  wrong = parents_misfit(P, ids)
  if wrong then return wrong end
  for _, id in ipairs(ids) do
    if is_list then redis.call('LREM', P .. state, 1, id) else redis.call('ZREM', P .. state, id) end
    redis.call('DEL', P .. id .. ':lock')
    drop_job(P, id, true, true)
    budget = budget - 1
  end
end
if budget > 0 then
  for _, scheduler in ipairs(redis.call('ZRANGE', P .. 'repeat', 0, budget - 1)) do
    redis.call('DEL', P .. 'repeat:' .. scheduler)
    redis.call('ZREM', P .. 'repeat', scheduler)
    budget = budget - 1
  end
end
if budget <= 0 then return 1 end
for _, key in ipairs({ 'events', 'stalled', 'stalled-check', 'id', 'pc', 'marker', 'meta', 'repeat', 'metrics:completed',
  'metrics:completed:data', 'metrics:failed', 'metrics:failed:data' }) do
  redis.call('DEL', P .. key)
end
redis.call('DEL', X .. 'leases', X .. 'leases:stalled', X .. 'suspects', X .. 'fence', X .. 'rest', X .. 'version',
  X .. 'cancel')
return 0
