--- Takes back the jobs of our workers that died: their lease ran out, so waiting gets them again.
-- KEYS  P, X
-- ARGV  most jobs in this call
-- Reply the next expiry ms ('' = no lease left), then for each recovered job: id, crashes so far
-- Kept  recovered only if the lock is absent, the id is in `active`, and Bull's stall counter is what it was at claim;
--       otherwise another worker has taken the job over and only the entry goes; a crash is no attempt
-- Spec  docs/wire/bull-4.md 6.3; docs on recovery in mixed fleets
--- @include "keys"
--- @include "now"
--- @include "types"
--- @include "target"
--- @include "bury"
local leases = X .. 'leases'
local wrong = expect_types({ P .. 'active', 'list', P .. 'stalled', 'set', P .. 'wait', 'list', P .. 'paused', 'list',
  P .. 'failed', 'zset', leases, 'zset', X .. 'leases:stalled', 'hash' })
if wrong then return wrong end
local reply = { '' }
local function forget(id)
  redis.call('ZREM', leases, id)
  redis.call('HDEL', X .. 'leases:stalled', id)
end
for _, id in ipairs(redis.call('ZRANGEBYSCORE', leases, '-inf', now, 'LIMIT', 0, ARGV[1])) do
  local key, lock = P .. id, P .. id .. ':lock'
  local holder = redis.pcall('GET', lock)
  if type(holder) == 'string' and string.find(holder, '^[^:]+:%x+$') then
    -- One of ours was prolonged by other hands (Node's job.extendLock with the run's token).
    redis.call('ZADD', leases, now + math.max(redis.call('PTTL', lock), 1000), id)
  elseif holder or not redis.call('LPOS', P .. 'active', id) then
    forget(id)
  else
    local fields = redis.pcall('HMGET', key, 'data', 'stalledCounter')
    local at_claim = redis.call('HGET', X .. 'leases:stalled', id) or false
    if fields.err or not fields[1] then
      redis.call('LREM', P .. 'active', -1, id)
      bury(id, fields.err and 'undecodable' or 'body_missing', 'the data of the job vanished while it ran', now)
    elseif fields[2] == at_claim then
      redis.call('LREM', P .. 'active', -1, id)
      redis.call('SREM', P .. 'stalled', id)
      redis.call('RPUSH', target_list(), id)
      redis.call('PUBLISH', P .. 'stalled@', id)
      local crashes = redis.call('HINCRBY', X .. 'job:' .. id, 'crashes', 1)
      reply[#reply + 1] = id
      reply[#reply + 1] = crashes
    end
    forget(id)
  end
end
local nearest = redis.call('ZRANGE', leases, 0, 0, 'WITHSCORES')
if nearest[2] then reply[1] = nearest[2] end
return reply
