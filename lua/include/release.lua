-- Lets go of all runs that hold their job (code 0), in one command of each kind for the batch; returns their ids. The
-- locks go first, so that a full memory cannot refuse what follows. `there` is what expect_types found.
local function release_held(codes, locks, first, stride, there)
  local mine, mine_locks, n, args, at = {}, {}, 0, ARGV, first
  for i = 1, #codes do
    if codes[i] == 0 then
      n = n + 1
      mine[n], mine_locks[n] = args[at], locks[i]
    end
    at = at + stride
  end
  if n == 0 then return mine end
  redis.call('DEL', unpack(mine_locks))
  if there[P .. 'stalled'] then redis.call('SREM', P .. 'stalled', unpack(mine)) end
  redis.call('SREM', X .. 'leases', unpack(mine))
  if there[X .. 'leases:stalled'] then redis.call('HDEL', X .. 'leases:stalled', unpack(mine)) end
  -- It ended without taking its worker along: no suspect any more.
  if there[X .. 'suspects'] then redis.call('HDEL', X .. 'suspects', unpack(mine)) end
  return mine
end
