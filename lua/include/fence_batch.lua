-- The same lock test for many runs in two calls. `stride` apart in ARGV from `first`, `runs`
-- of them (absent = to the end): id, token. Returns a table of
-- codes by position: 0 = this token holds the job, -1 no such job, -2 no lock, -6 another run's lock.
local function refused_batch(first, stride, runs)
  local keys, locks, at = {}, {}, 1
  for i = first, runs and first + (runs - 1) * stride or #ARGV, stride do
    keys[at] = P .. ARGV[i]
    locks[at] = keys[at] .. ':lock'
    at = at + 1
  end
  local holders = redis.call('MGET', unpack(locks))
  local all_there = redis.call('EXISTS', unpack(keys)) == #keys
  local codes = {}
  for i = 1, #keys do
    if not all_there and redis.call('EXISTS', keys[i]) == 0 then
      codes[i] = -1
    elseif holders[i] == ARGV[first + (i - 1) * stride + 1] then
      codes[i] = 0
    else
      codes[i] = holders[i] and -6 or -2
    end
  end
  return codes, keys, locks
end
