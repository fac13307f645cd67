-- The same lock test for many runs in two calls. `runs` of them, `stride` apart in ARGV from `first`: id, token.
-- Returns a table of codes by position: 0 = this token holds the job, -1 no such job, -2 no lock, -6 another run's lock;
-- and the keys of the jobs and of their locks.
local function refused_batch(first, stride, runs)
  local keys, locks, codes, args = {}, {}, {}, ARGV
  for i = 1, runs do
    local key = P .. args[first + (i - 1) * stride]
    keys[i], locks[i] = key, key .. ':lock'
  end
  local holders = redis.call('MGET', unpack(locks))
  local all_there = redis.call('EXISTS', unpack(keys)) == runs
  for i = 1, runs do
    local holder = holders[i]
    if not all_there and redis.call('EXISTS', keys[i]) == 0 then
      codes[i] = -1
    elseif holder == args[first + (i - 1) * stride + 1] then
      codes[i] = 0
    else
      codes[i] = holder and -6 or -2
    end
  end
  return codes, keys, locks
end
