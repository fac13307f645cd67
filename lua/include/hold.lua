--- @include "record"
-- A sync that a person has paused waits in `delayed`, without spending an attempt, until he resumes it: for so long (10
-- years) at most. Later dates are no whole numbers for Node, which keeps ms * 4096 in a double.
local HOLD_MS = '315360000000'
-- Who has paused it: JSON in the field `hold` of our record of the job; nil = nobody.
local function hold_of(id)
  local record = X .. 'job:' .. id
  local hold = redis.pcall('HGET', record, 'hold')
  return type(hold) == 'string' and is_about(record, id) and hold or nil
end
