--- Deletes all jobs that wait or are delayed.
-- KEYS  P, X
-- ARGV  most jobs in this call
-- Reply how many were deleted; fewer than asked for = none is left
-- Kept  running and finished jobs stay; the queue stays paused if it was
-- Spec  docs/wire/bull-4.md 12.4
--- @include "keys"
--- @include "types"
--- @include "bull/remove"
local wrong = expect_types(REMOVAL)
if wrong then return wrong end
local budget, done = tonumber(ARGV[1]), 0
local function drop(ids)
  for _, id in ipairs(ids) do
    remove_job(id, true)
    done = done + 1
  end
end
drop(redis.call('LRANGE', P .. 'wait', 0, budget - 1))
if done < budget then drop(redis.call('LRANGE', P .. 'paused', 0, budget - done - 1)) end
if done < budget then drop(redis.call('ZRANGE', P .. 'delayed', 0, budget - done - 1)) end
if done < budget then
  redis.call('DEL', P .. 'priority', P .. 'limiter', P .. 'limiter:index', P .. 'limiter:limited')
end
return done
