--- Commits a batch of a sync: plan, results of items, progress and audit in one step, after the work was done.
-- KEYS  P, X
-- ARGV  id, token, number of the commit, plan (JSON), progress (JSON, '' = not now), what changed (JSON), most items that
--       are kept, last 0|1; how many ids were handled for the first time, then these; then for each item that is noted: id,
--       done|retrying|failed|skipped, note (JSON), due in ms
-- Reply 0, 1 a person has paused it: stop; or -1 no such job, -2 no lock, -6 another run's lock
-- Kept  a stale run changes nothing; the cursor is never ahead of the results; sent twice it takes effect once
--- @include "commit"
--- @include "bullmq/event"
return commit(function(job, value)
  redis.call('HSET', P .. job, 'progress', value)
  emit(read_meta(P), 'progress', 'jobId', job, 'data', value)
end, { P .. 'meta', 'hash', P .. 'events', 'stream' })
