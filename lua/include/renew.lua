--- @include "keys"
--- @include "cancel_mark"
-- Renewing leases is the same in both dialects.
local lease, locks, lost, held, marks = ARGV[1], {}, {}, {}, {}
for i = 2, #ARGV, 2 do locks[i / 2] = P .. ARGV[i] .. ':lock' end
local holders = redis.call('MGET', unpack(locks))
for i = 1, #locks do
  if holders[i] == ARGV[2 * i + 1] then
    redis.call('PEXPIRE', locks[i], lease)
    held[#held + 1] = ARGV[2 * i]
  else
    lost[#lost + 1] = i
  end
end
-- A `stalled` of another type halts the queue, but costs no run its lease.
if #held > 0 then redis.pcall('SREM', P .. 'stalled', unpack(held)) end
-- A mark from before this run is about an earlier one, which ended before it was heard of.
local function is_of_this_run(id, mark)
  local at, started = string.match(mark, '^{"at":(%d+)'), redis.pcall('HGET', P .. id, 'processedOn')
  return not at or type(started) ~= 'string' or tonumber(at) >= number_of(started)
end
-- Asked only where somebody has cancelled before.
if #held > 0 and redis.call('EXISTS', X .. 'cancel') == 1 then
  for i = 1, #locks do
    local id = ARGV[2 * i]
    local mark = holders[i] == ARGV[2 * i + 1] and cancel_mark(id)
    if mark and is_of_this_run(id, mark) then
      marks[#marks + 1] = i
      marks[#marks + 1] = mark
    end
  end
end
return { lost, marks }
