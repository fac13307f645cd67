--- Removes a job scheduler and the iteration it has planned, if that is delayed.
-- KEYS  P, X
-- ARGV  scheduler id
-- Reply 1 removed, 0 there was none
-- Kept  an iteration that waits or runs already is left alone; it will have no successor
-- Spec  docs/wire/bullmq.md 8.7
--- @include "keys"
--- @include "types"
--- @include "bullmq/remove"
local scheduler = ARGV[1]
local wrong = expect_types(removal_types(P, {}))
if wrong then return wrong end
local due = redis.call('ZSCORE', P .. 'repeat', scheduler)
if not due then return 0 end
local id = 'repeat:' .. scheduler .. ':' .. string.format('%.0f', tonumber(due))
if redis.call('ZREM', P .. 'delayed', id) == 1 then
  delete_job(P, id)
  emit_untrimmed(P, 'removed', 'jobId', id, 'prev', 'delayed')
end
redis.call('ZREM', P .. 'repeat', scheduler)
redis.call('DEL', P .. 'repeat:' .. scheduler)
return 1
