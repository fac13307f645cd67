--- @include "record"
-- Copies a dead letter to the queue of KEYS[3] and KEYS[4], if the caller names one, in the script that buries it. The
-- dialect's own fragment brings `copy_misfit` and `add_copy`, which are run with P and X of that queue.
local function at_dead_letters(act)
  P, X = KEYS[3], KEYS[4]
  local answer = act()
  P, X = KEYS[1], KEYS[2]
  return answer
end
-- Check before the first write.
local function dead_letter_misfit()
  return KEYS[3] and at_dead_letters(copy_misfit)
end
-- `opts` and `from` are JSON that ends where what only the script knows belongs: opts before where the copy comes from,
-- `from` before the time. A job whose data could not be read is copied without it.
local function copy_dead_letter(id, opts, from, token, now)
  if opts == '' or not KEYS[3] then return end
  local fields, time = redis.call('HMGET', P .. id, 'name', 'data'), string.format('%.0f', now)
  from = from .. time .. '}'
  local copy = at_dead_letters(function()
    local copy = add_copy(fields[1] or '__default__', fields[2] or '{}', opts .. from .. ',"timestamp":' .. time .. '}', token,
      now)
    redis.call('HSET', own_record(copy), 'from', from)
    return copy
  end)
  redis.call('HSET', own_record(id), 'copy', copy)
end
