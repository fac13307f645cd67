--- @include "audit"
--- @include "cancel_mark"
--- @include "wake_up"
-- Cancelling is the same in both dialects but for what they bring before: CANCELLING, the keys and types to check;
-- is_own_key; planned(id), the next occurrence of something that repeats; leave_place(id), which takes a job out of every
-- place and names the first (nil = it was in none); and carry_out(id, mark, was).
local act, by, from, why = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local wrong = expect_types(CANCELLING)
if wrong then return wrong end
local new_mark = '{"at":' .. string.format('%.0f', now) .. ',"by":' .. cjson.encode(by) .. ',"from":' .. cjson.encode(from)
  .. ',"why":' .. cjson.encode(why) .. (act == 'kill' and ',"act":"kill"' or '') .. '}'

local function is_ours(id, holder)
  return redis.call('SISMEMBER', X .. 'leases', id) == 1 and string.find(holder, '^[^:]+:' .. string.rep('%x', 32) .. '$')
end
-- A run holds it: the mark is what counts, the wake-up only makes it known sooner.
local function tell_run(id, holder)
  local before = cancel_mark(id)
  if before and (act ~= 'kill' or string.find(before, '"act":"kill"', 1, true)) then
    wake_up(id, act)
    return 4
  end
  redis.call('HSET', own_record(id), 'cancel', new_mark)
  wake_up(id, act)
  audit(act, id, 'active', 'active', by, from, why)
  return is_ours(id, holder) and 2 or 3
end
local function cancel(id)
  if is_own_key(id) or redis.call('TYPE', P .. id).ok ~= 'hash' then return 0 end
  if redis.call('ZSCORE', P .. 'completed', id) then return -1 end
  if redis.call('ZSCORE', P .. 'failed', id) then
    local record = X .. 'job:' .. id
    return redis.pcall('HGET', record, 'reason') == 'cancelled' and is_about(record, id) and -3 or -2
  end
  local holder = redis.pcall('GET', P .. id .. ':lock')
  if type(holder) == 'string' and redis.call('LPOS', P .. 'active', id) then return tell_run(id, holder) end
  if planned(id) then return -8 end
  local was = leave_place(id)
  if not was then return -4 end
  if type(holder) == 'table' then redis.call('DEL', P .. id .. ':lock') end -- of another type: nobody's lock
  carry_out(id, new_mark, was)
  audit(act, id, was, 'failed', by, from, why)
  return 1
end
local reply = {}
for i = 5, #ARGV do reply[i - 4] = cancel(ARGV[i]) end
return reply
