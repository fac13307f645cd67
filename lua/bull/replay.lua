--- Puts dead letters back to waiting, with other data if asked; or takes them to another queue.
-- KEYS  P, X; to take them elsewhere, those of that queue
-- ARGV  operation ('' = none), only what failed up to this time (ms, '' = any), most jobs of the operation in all ('' = any), by,
--       from, why; then for each job: id, data that
--       is expected ('' = any), new data ('' = as it is), new options ('' = as they are), options of a copy and where it
--       comes from (JSON without ends; '' = none)
-- Reply for each job: 1 done, 0 no such job, -1 it runs, -2 not failed (any more), -3 it has no body to run, -5 its data
--       was changed, -7 the operation is over, or has done as many as it may
-- Kept  checked before anything is written; a job is taken once, whoever asks; attemptsMade stays, crashes start anew; an
--       operation counts what it has done in the same script
-- Spec  docs/wire/bull-4.md 8.3 (job.retry)
--- @include "keys"
--- @include "now"
--- @include "types"
--- @include "bull/remove"
--- @include "bull/dead_letter"
--- @include "replay"
local wrong = expect_types(REMOVAL) or expect_types({ X .. 'ops', 'hash', X .. 'audit', 'stream' }) or dead_letter_misfit()
if wrong then return wrong end
function put_back(id, key)
  redis.call('HSET', key, 'retriedOn', now)
  redis.call('ZREM', P .. 'failed', id)
  redis.call('LPUSH', target_list(), id)
  redis.call('PUBLISH', P .. 'waiting@', id)
end
function take_out(id)
  remove_job(id, false)
end
return (replay_jobs())
