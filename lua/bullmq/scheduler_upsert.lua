--- Creates or changes a job scheduler, and plans its next iteration.
-- KEYS  P, X
-- ARGV  token, scheduler id, every ms ('' = a pattern), due ms of the first ('' = worked out here), start date ms ('' =
--       none), offset ms ('' = none), name, data, head of the options' text, priority, lifo 0|1; then fields and values
--       of its record
-- Reply id of the iteration, its delay ms; or -10 an iteration of that time exists already, -11 no free slot was found
-- Kept  an iteration that waits is replaced, one that runs is left alone; refused before anything is written
-- Spec  docs/wire/bullmq.md 8.2
--- @include "keys"
--- @include "now"
--- @include "types"
--- @include "number"
--- @include "bullmq/scheduler"
--- @include "bullmq/remove"
local SLOTS_MAX = 32
local scheduler, every, offset = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[6]) or 0
local record = P .. 'repeat:' .. scheduler
local wrong = expect_types(removal_types(P, { record, 'hash' })) or refuse_adds(P, {})
if wrong then return wrong end
local planned = tonumber(redis.call('ZSCORE', P .. 'repeat', scheduler) or nil)
local old = redis.call('HMGET', record, 'every', 'offset', 'ic')
local pending = planned and iteration_id(scheduler, planned)
-- A paused queue may hold it in either list; it is looked for in both.
local function is_pending(id)
  return redis.call('EXISTS', P .. id) == 1 and (redis.call('ZSCORE', P .. 'delayed', id)
    or redis.call('ZSCORE', P .. 'prioritized', id) or redis.call('LPOS', P .. 'wait', id)
    or redis.call('LPOS', P .. 'paused', id))
end
local replaced = pending and is_pending(pending)
wrong = replaced and parents_misfit(P, { pending })
if wrong then return wrong end
local function is_taken(due)
  local id = iteration_id(scheduler, due)
  return not (replaced and id == pending) and redis.call('EXISTS', P .. id) == 1
end

local due = tonumber(ARGV[4])
if every then
  local prev = number_of(old[1]) == every and planned or nil
  if prev and replaced then
    due = prev
  elseif prev then
    due = slot_after(prev, every, number_of(old[2]), now)
  else
    due = first_slot(every, offset, tonumber(ARGV[5]), now)
  end
  local slots = 0
  while is_taken(due) do
    slots = slots + 1
    if slots > SLOTS_MAX then return { -11 } end
    due = due + every
  end
else
  due = math.max(due, now)
  if is_taken(due) and not replaced then return { -10 } end
end

if replaced then
  leave_state(P, pending)
  drop_job(P, pending, true, true)
end
if every and offset == 0 then offset = due - math.floor(due / every) * every end
if not every then offset = number_of(ARGV[6] ~= '' and ARGV[6] or old[2]) end
redis.call('ZADD', P .. 'repeat', string.format('%.0f', due), scheduler)
redis.call('DEL', record)
redis.call('HSET', record, 'ic', old[3] or 1, 'offset', string.format('%.0f', offset), unpack(ARGV, 12))
if is_taken(due) then return { iteration_id(scheduler, due), string.format('%.0f', due - now) } end
local id, delay = add_iteration(read_meta(P), scheduler, due, not every, { name = ARGV[7], data = ARGV[8],
  opts_head = ARGV[9], priority = ARGV[10], lifo = ARGV[11] }, now)
return { id, string.format('%.0f', delay) }
