--- Ends a job well, whatever it is doing: a person's act.
-- KEYS  P, X
-- ARGV  by, from, why, id, returnvalue (JSON), payload of the event, keep count ('' = all, 0 = none), keep age s ('' = any),
--       ''; only if it is a zombie of this class ('' = whatever it is), for so many ms at least, even if a run holds it 0|1
-- Reply 1 done, and the state it was in; 0 no such job; -1 it has completed by itself; -2 it was forced before; -3 it is no
--       such zombie; -4 a run holds it
-- Kept  a job is in one place; the lock goes first: the late writes of its run are refused; a completed job stays as it is
-- Spec  docs/wire/bull-4.md 7
--- @include "keys"
--- @include "now"
--- @include "bull/mending"
--- @include "bull/remove"
--- @include "bull/retention"
--- @include "not_forceable"
--- @include "audit"
local by, from, why, id, result = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local completed, key, record, count, age = P .. 'completed', P .. id, X .. 'job:' .. id, ARGV[7], ARGV[8]
local wrong = mending_misfit(id) or expect_types(REMOVAL)
if wrong then return wrong end
wrong = not_forceable(id, ARGV[10], ARGV[11], ARGV[12])
if wrong then return wrong end
local was = places_of(id)[1] or 'stuck'

take_from_run(id, 'force-done')
leave_all(id)
forget_limiter(id)
local deid = redis.call('HGET', key, 'deid')
redis.call('HDEL', key, 'failedReason', 'stacktrace')
redis.call('HSET', key, 'returnvalue', result, 'finishedOn', string.format('%.0f', now))
redis.pcall('HDEL', record, 'reason', 'buried_at', 'hold')
release_debounce(deid)
if count == '0' then
  delete_finished(id)
else
  redis.call('ZADD', completed, now, id)
  if count ~= '' or age ~= '' then trim_finished(completed, tonumber(count), tonumber(age), now) end
end
redis.call('PUBLISH', completed, ARGV[6])
audit('force-done', id, was, 'completed', by, from, why)
return { 1, was }
