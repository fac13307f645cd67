--- Prolongs the leases of many runs.
-- KEYS  P, X
-- ARGV  lease ms; then for each run: id, token
-- Reply the positions (from 1) of the runs that hold their job no longer
-- Kept  PEXPIRE first: it is accepted when memory is out, so a lease is never lost to that; only the holder prolongs
-- Spec  docs/wire/bullmq.md 5.1
--- @include "keys"
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
