--- Puts dead letters back to waiting, with other data if asked; or takes them to another queue.
-- KEYS  P, X; to take them elsewhere, those of that queue
-- ARGV  operation ('' = none), only what failed up to this time (ms, '' = any), most jobs of the operation in all ('' = any), by,
--       from, why; then for each job: id, data that
--       is expected ('' = any), new data ('' = as it is), new options ('' = as they are), options of a copy and where it
--       comes from (JSON without ends; '' = none)
-- Reply for each job: 1 done, 0 no such job, -1 it runs, -2 not failed (any more), -3 it has no body to run, -5 its data
--       was changed, -7 the operation is over, or has done as many as it may
-- Kept  checked before anything is written; a job is taken once, whoever asks; its attempts stay, crashes start anew; a
--       parent that has noted its end waits for it again; an operation counts what it has done in the same script
-- Spec  docs/wire/bullmq.md 7.5, 7.8
--- @include "keys"
--- @include "now"
--- @include "types"
--- @include "number"
--- @include "bullmq/tree"
--- @include "bullmq/reprocess"
--- @include "bullmq/waiting"
--- @include "bullmq/dead_letter"
--- @include "replay"
local nodes, ids = {}, {}
for at = FIRST, #ARGV, STRIDE do
  nodes[#nodes + 1] = { base = P, id = ARGV[at], key = P .. ARGV[at] }
  ids[#ids + 1] = ARGV[at]
end
local wrong = tree_misfit(nodes) or parents_misfit(P, ids)
  or expect_types({ X .. 'ops', 'hash', X .. 'audit', 'stream' }) or dead_letter_misfit()
if wrong then return wrong end
local meta = read_meta(P)
function put_back(id, key)
  redis.call('ZREM', P .. 'failed', id)
  -- 5.x does not look at the priority here.
  local priority = not meta.five and number_of(redis.call('HGET', key, 'priority')) or 0
  put_waiting(meta, id, priority, false)
  restore_dependency(key)
  emit(meta, 'waiting', 'jobId', id, 'prev', 'failed')
end
function take_out(id)
  remove_tree({ { base = P, id = id, key = P .. id } })
end
local codes, done = replay_jobs()
if done > 0 and not KEYS[3] then mark_ready(meta) end
return codes
