--- Commits a batch of a sync: plan, results of items, progress and audit in one step, after the work was done.
-- KEYS  P, X
-- ARGV  id, token, number of the commit, plan (JSON), progress (JSON, '' = not now), what changed (JSON), most items that
--       are kept, last 0|1, how long history is kept (ms, 0 = none is written), how many arguments the end has, then these:
--       summary (JSON), when it began (ms), kind of the watermark ('' = none), its value (JSON), jobs that come after as in
--       enqueue; how many ids were handled for the first time, then these; then for each item that is noted: id,
--       done|retrying|failed|skipped, note (JSON), due in ms
-- Reply 0, 1 a person has paused it: stop; or -1 no such job, -2 no lock, -6 another run's lock
-- Kept  a stale run changes nothing; the cursor is never ahead of the results; sent twice it takes effect once; jobs that
--       come after are added once in the life of a job
--- @include "keys"
--- @include "now"
--- @include "types"
--- @include "bullmq/add"
--- @include "commit"
local follow = {}
function follow.refuse() return refuse_adds(P, { { asked_id = '', delay = '0', priority = '0' } }) end
function follow.add(first, final)
  local ids, meta, at = {}, read_meta(P), first
  while at <= final do
    local job
    job, at = read_job(at, now)
    ids[#ids + 1] = add_job(meta, job, now)
  end
  settle(meta)
  return ids
end
return commit(function(job, value)
  redis.call('HSET', P .. job, 'progress', value)
  emit(read_meta(P), 'progress', 'jobId', job, 'data', value)
end, { P .. 'meta', 'hash', P .. 'events', 'stream' }, follow)
