--- @include "now"
--- @include "record"
-- A cancel that was asked for and is not carried out: JSON in the field `cancel` of our record of the job; nil = none.
local function cancel_mark(id)
  local record = X .. 'job:' .. id
  local mark = redis.pcall('HGET', record, 'cancel')
  return type(mark) == 'string' and is_about(record, id) and mark or nil
end
-- What becomes of a job that leaves waiting: cancelled while it ran, and given back since by whoever held it. One that a
-- person has put back since has not run: nobody's retry is cancelled by an old mark.
local function cancelled_since_it_ran(id)
  local mark = cancel_mark(id)
  return mark and redis.call('HEXISTS', P .. id, 'processedOn') == 1 and redis.call('EXISTS', P .. id .. ':lock') == 0
    and mark or nil
end
-- The text of the failure: `cancelled by kim: wrong store`.
local function cancelled_text(mark)
  local ok, said = pcall(cjson.decode, mark)
  said = ok and type(said) == 'table' and said or {}
  local text = 'cancelled'
  if type(said.by) == 'string' and said.by ~= '' then text = text .. ' by ' .. said.by end
  if type(said.why) == 'string' and said.why ~= '' then text = text .. ': ' .. said.why end
  return text
end
-- It is carried out: the mark becomes a part of the dead letter.
local function note_cancelled(id, mark)
  local record = own_record(id)
  redis.call('HSET', record, 'reason', 'cancelled', 'buried_at', now, 'cancelled', mark)
  redis.call('HDEL', record, 'cancel')
end
-- A queue that keeps metrics counts it: in the total, which the next end of a run makes a point of.
local function count_cancelled()
  local metrics = P .. 'metrics:failed'
  local count = redis.pcall('HGET', metrics, 'count')
  if type(count) == 'string' then redis.call('HSET', metrics, 'count', string.format('%.0f', number_of(count) + 1)) end
end
