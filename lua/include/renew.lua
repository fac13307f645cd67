--- @include "keys"
-- Renewing leases is the same in both dialects.
local lease, locks, lost, held = ARGV[1], {}, {}, {}
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
return lost
