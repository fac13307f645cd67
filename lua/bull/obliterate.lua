--- Deletes a queue with everything in it. The caller has paused it.
-- KEYS  P, X
-- ARGV  force 0|1 (also with jobs running), most jobs in this call
-- Reply 1 more is left, 0 done, -1 not paused, -2 jobs are running
-- Kept  refused before anything is deleted; no lock outlives its job
-- Spec  docs/wire/bull-4.md 12.4
--- @include "keys"
--- @include "types"
--- @include "bull/remove"
local wrong = expect_types(REMOVAL)
if wrong then return wrong end
if redis.call('EXISTS', P .. 'meta-paused') == 0 then return -1 end
if ARGV[1] ~= '1' and redis.call('LLEN', P .. 'active') > 0 then return -2 end
local budget = tonumber(ARGV[2])
local function drop(ids, with_debounce)
  for _, id in ipairs(ids) do
    redis.call('DEL', P .. id .. ':lock')
    remove_job(id, with_debounce)
    budget = budget - 1
  end
end
for _, list in ipairs({ 'active', 'paused', 'wait' }) do
  if budget > 0 then drop(redis.call('LRANGE', P .. list, 0, budget - 1), true) end
end
for _, set in ipairs({ 'delayed', 'completed', 'failed' }) do
  if budget > 0 then drop(redis.call('ZRANGE', P .. set, 0, budget - 1), set == 'delayed') end
end
if budget <= 0 then return 1 end
for _, key in ipairs({ 'priority', 'stalled-check', 'stalled', 'meta-paused', 'meta', 'id', 'repeat', 'limiter',
  'limiter:index', 'limiter:limited', 'metrics:completed', 'metrics:completed:data', 'metrics:failed',
  'metrics:failed:data' }) do
  redis.call('DEL', P .. key)
end
redis.call('DEL', X .. 'leases', X .. 'leases:stalled', X .. 'suspects', X .. 'fence', X .. 'rest', X .. 'version',
  X .. 'cancel')
return 0
