--- @include "record"
-- Fails a job for good that is whole: its data stays, so that it can be retried. The caller has taken it out of its state.
local function fail_whole(id, class, reason, now)
  redis.call('HSET', P .. id, 'failedReason', reason, 'finishedOn', now)
  redis.call('HSETNX', P .. id, 'stacktrace', '[]')
  redis.call('HSET', own_record(id), 'reason', class, 'buried_at', now)
  redis.call('ZADD', P .. 'failed', now, id)
  tell_failed(id, reason, now)
end
local function has_body(id)
  return redis.call('HEXISTS', P .. id, 'data') == 1 or redis.call('HEXISTS', P .. id, 'opts') == 1
end
