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
--- @include "bull/add"
--- @include "commit"
local FIELDS = 11
local follow = {}
function follow.refuse()
  return expect_types({ P .. 'id', 'string', P .. 'wait', 'list', P .. 'paused', 'list', P .. 'delayed', 'zset',
    P .. 'priority', 'zset' }) or refuse_adds(#ARGV + 1, FIELDS)
end
function follow.add(first, final)
  local ids = {}
  for at = first, final, FIELDS do
    ids[#ids + 1] = add_job({ id = '', name = ARGV[at + 1], data = ARGV[at + 2], opts_head = ARGV[at + 3],
      opts_tail = ARGV[at + 4], timestamp = ARGV[at + 5], delay = ARGV[at + 6], priority = ARGV[at + 7],
      lifo = ARGV[at + 8], deid = ARGV[at + 9], de_ttl = ARGV[at + 10] }, 'bullock', now)
  end
  return ids
end
return commit(function(job, value)
  redis.call('HSET', P .. job, 'progress', value)
  redis.call('PUBLISH', P .. 'progress', '{"jobId":' .. cjson.encode(job) .. ',"progress":' .. value .. '}')
end, {}, follow)
