--- @include "bullmq/own_key"
--- @include "bullmq/event"
local function tell_buried(id, reason)
  redis.call('HDEL', P .. id, 'defa')
  emit_untrimmed(P, 'failed', 'jobId', id, 'failedReason', reason, 'prev', 'active')
end
--- @include "bury"
