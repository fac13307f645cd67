-- The lock test of one run (docs/wire/bull-4.md 7.1). nil = this token holds the job; otherwise the code that the
-- caller is told: -1 no such job, -2 no lock, -6 another run's lock. Nothing has been written by then.
local function refused(id, token)
  local kind = redis.call('TYPE', P .. id).ok
  if kind ~= 'hash' then return -1 end
  local holder = redis.call('MGET', P .. id .. ':lock')[1] -- a lock of another type counts as none
  if holder == token then return nil end
  return holder and -6 or -2
end
