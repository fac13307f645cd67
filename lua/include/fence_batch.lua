-- The same lock test for many runs in two calls. `runs` of them, `stride` apart in ARGV from `first`: id, token.
-- Returns a table of codes by position: 0 = this token holds the job, -1 no such job, -2 no lock, -6 another run's lock;
-- and the keys of the jobs and of their locks.
local function refused_batch(first, stride, runs)
  local keys, locks, codes, args, base, at = {}, {}, {}, ARGV, P, first
  for i = 1, runs do
    local key = base .. args[at]
    keys[i], locks[i] = key, key .. ':lock'
    at = at + stride
  end
  local holders = redis.call('MGET', unpack(locks))
  local all_there = redis.call('EXISTS', unpack(keys)) == runs
  at = first + 1
  for i = 1, runs do
    local holder = holders[i]
    if holder == args[at] and all_there then
      codes[i] = 0
    elseif redis.call('EXISTS', keys[i]) == 0 then
      codes[i] = -1
    elseif holder == args[at] then
      codes[i] = 0
    else
      codes[i] = holder and -6 or -2
    end
    at = at + stride
  end
  return codes, keys, locks
end
