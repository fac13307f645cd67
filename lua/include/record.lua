--- @include "number"
-- Our record of a job, ready to be written to. What is no hash there is not ours and goes.
local function own_record(id)
  local record = X .. 'job:' .. id
  local kind = redis.call('TYPE', record).ok
  if kind ~= 'hash' and kind ~= 'none' then redis.call('DEL', record) end
  return record
end
-- Adds 1 to a count in it, and answers the new one. The caller has written before: HINCRBY by itself would be refused
-- when memory is out.
local function count_up(record, field)
  local count = math.floor(number_of(redis.call('HGET', record, field))) + 1
  redis.call('HSET', record, field, count)
  return count
end
