--- @include "number"
-- A record is about the job that was added at its `of`. A custom id that was removed by somebody else and added again is
-- another job, and the record of the first one says nothing of it.
local function is_about(record, id)
  local of, added = redis.pcall('HGET', record, 'of'), redis.pcall('HGET', P .. id, 'timestamp')
  return type(of) ~= 'string' or type(added) ~= 'string' or of == added
end
-- Our record of a job, ready to be written to. What is no hash there is not ours and goes.
local function own_record(id)
  local record = X .. 'job:' .. id
  local kind = redis.call('TYPE', record).ok
  if kind ~= 'none' and (kind ~= 'hash' or not is_about(record, id)) then
    redis.call('DEL', record)
    kind = 'none'
  end
  local added = kind == 'none' and redis.pcall('HGET', P .. id, 'timestamp')
  if type(added) == 'string' then redis.call('HSET', record, 'of', added) end
  return record
end
-- Adds to a count in it, and answers the new one. The caller has written before: HINCRBY by itself would be refused
-- when memory is out.
local function count_by(record, field, more)
  local count = math.floor(number_of(redis.call('HGET', record, field))) + more
  redis.call('HSET', record, field, count)
  return count
end
local function count_up(record, field) return count_by(record, field, 1) end
