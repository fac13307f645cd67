--- Ends a job well, whatever it is doing: a person's act.
-- KEYS  P, X
-- ARGV  by, from, why, id, returnvalue (JSON), '', keep count ('' = all, 0 = none), keep age s ('' = any), most that are
--       removed by age ('' = 1000); only if it is a zombie of this class ('' = whatever it is), for so many ms at least, even
--       if a run holds it 0|1
-- Reply 1 done, and the state it was in; 0 no such job; -1 it has completed by itself; -2 it was forced before; -3 it is no
--       such zombie; -4 a run holds it
-- Kept  a job is in one place; the lock goes first: the late writes of its run are refused; a completed job stays as it is;
--       its parent counts it as a child that completed
-- Spec  docs/wire/bullmq.md 6.1, 9
--- @include "keys"
--- @include "now"
--- @include "bullmq/mending"
--- @include "bullmq/retention"
--- @include "bullmq/reprocess"
--- @include "bullmq/ending"
--- @include "not_forceable"
--- @include "audit"
local by, from, why, id, result = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local key, record = P .. id, X .. 'job:' .. id
local wrong = mending_misfit(id)
if wrong then return wrong end
wrong = not_forceable(id, ARGV[10], ARGV[11], ARGV[12])
if wrong then return wrong end
local was, meta, parent = places_of(id)[1] or 'stuck', read_meta(P), parent_of_key(key)

take_from_run(id, 'force-done')
leave_all(id)
local deid = redis.call('HGET', key, 'deid')
redis.call('HDEL', key, 'failedReason', 'stacktrace', 'defa')
redis.pcall('HDEL', record, 'reason', 'buried_at', 'hold')
if deid then end_dedup(meta, deid, id, now) end
if parent then
  -- It may have been counted as failed.
  restore_dependency(key)
  child_completed(parent, key, result, now)
end
local keeper = new_keeper(P .. 'completed', now)
if ARGV[7] == '0' then
  keeper.drop(id)
else
  redis.call('HSET', key, 'returnvalue', result, 'finishedOn', string.format('%.0f', now))
  keeper.keep(id, ARGV[7], ARGV[8], ARGV[9])
end
keeper.close()
trim_events(meta)
emit_untrimmed(P, 'completed', 'jobId', id, 'returnvalue', result, 'prev', was)
if was == 'active' then end_batch(meta, true) end
audit('force-done', id, was, 'completed', by, from, why)
return { 1, was }
