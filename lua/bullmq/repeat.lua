--- Adds the iteration of a scheduler that comes after one which was claimed.
-- KEYS  P, X
-- ARGV  token, id of the claimed iteration, scheduler id, due ms of the next ('' = every so many ms, worked out here),
--       every ms that the claimed job says ('' = none), head of the options' text, priority, lifo 0|1, name, data of the
--       claimed job
-- Reply id, 0 added | 1 existed; or an empty list: the scheduler was removed, it has planned another iteration since, or
--       the token does not hold the claimed one
-- Kept  a retried or recovered iteration adds nothing: only the planned one has a successor
-- Spec  docs/wire/bullmq.md 8.3
--- @include "keys"
--- @include "now"
--- @include "types"
--- @include "number"
--- @include "bullmq/scheduler"
local claimed, scheduler = ARGV[2], ARGV[3]
local record = P .. 'repeat:' .. scheduler
local wrong = expect_types({ P .. 'repeat', 'zset', record, 'hash', P .. claimed, 'hash' })
  or refuse_adds(P, { { asked_id = '', delay = '1', priority = '1' } })
if wrong then return wrong end
if redis.call('MGET', P .. claimed .. ':lock')[1] ~= ARGV[1] then return {} end
local planned = tonumber(redis.call('ZSCORE', P .. 'repeat', scheduler) or nil)
if not planned or claimed ~= iteration_id(scheduler, planned) then return {} end
local said = redis.call('HMGET', record, 'every', 'offset', 'name', 'data', 'ic')
local meta, is_cron = read_meta(P), ARGV[4] ~= ''
local every = number_of(said[1] or ARGV[5])
if not is_cron and every < 1 then return {} end
local due = is_cron and math.max(tonumber(ARGV[4]), now) or slot_after(planned, every, number_of(said[2]), now)
redis.call('ZADD', P .. 'repeat', string.format('%.0f', due), scheduler)
redis.call('HSET', record, 'ic', string.format('%.0f', number_of(said[5]) + 1))
local id = iteration_id(scheduler, due)
if redis.call('EXISTS', P .. id) == 1 then
  emit(meta, 'duplicated', 'jobId', id)
  return { id, 1 }
end
-- A record that 5.x wrote for a repeatable job has no data and no count: the job's own go on (6.x would lose them).
local data = said[4]
if not data and (meta.five or not said[5]) then
  data = ARGV[10]
  if data ~= '{}' then redis.call('HSET', record, 'data', data) end
end
add_iteration(meta, scheduler, due, is_cron, { name = said[3] or ARGV[9], data = data or '{}', opts_head = ARGV[6],
  priority = ARGV[7], lifo = ARGV[8] }, now)
if meta.five then redis.call('HSET', P .. claimed, 'nrjid', id) end
return { id, 0 }
