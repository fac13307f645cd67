--- @include "number"
-- A batch of a bulk operation: counts what is done in the script that does it, and does no more than the operation may.
local operation, began, bound, most = ARGV[1], ARGV[2], tonumber(ARGV[2]), tonumber(ARGV[3])
-- Returns the code of each job, and how many were done.
local function in_bulk(first, stride, act)
  local codes, done, room = {}, 0, math.huge
  if operation ~= '' and redis.call('HGET', X .. 'ops', operation .. ':at') ~= began then
    room = 0 -- somebody else has come to its end
  elseif most then
    room = most - number_of(redis.call('HGET', X .. 'ops', operation .. ':done'))
  end
  for at = first, #ARGV, stride do
    local code = done < room and act(at) or -7
    codes[#codes + 1] = code
    if code == 1 then done = done + 1 end
  end
  if done > 0 and operation ~= '' then redis.call('HINCRBY', X .. 'ops', operation .. ':done', done) end
  return codes, done
end
