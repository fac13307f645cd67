--- Takes jobs from the consumer end of `wait` into `active`, each with a lock of its own and a lease.
-- KEYS  P, X
-- ARGV  lane, request, lease ms, wanted, busy 0|1 (something was claimed since the last `drained`),
--       limiter max (0 = none), limiter duration ms, limiter grouped 0|1; then `wanted` tokens
-- Reply now, rest ms (0, or how long the queue rests), fence of the first job, drained 0|1,
--       then for each job: id, index of its token, {name, data, opts, timestamp, attemptsMade, processedOn,
--       stalledCounter, deid, stacktrace, progress, checkpoint}; the last three only where there may be any
-- Lease the lock's own time to live; `X leases` names the locks that are ours
-- Kept  begins with a write that is refused when memory is out, so that claiming stops before anything else; every id
--       taken from `wait` is in `active` with a lock, asleep in `delayed`, or in `failed`; a job that runs is not
--       started again; nobody but the scripts moves a job
-- Spec  docs/wire/bull-4.md 5.2, 9; Q4, Q9
--- @include "keys"
--- @include "now"
--- @include "types"
--- @include "once"
--- @include "bury"
--- @include "limiter"
local lane, request, lease, wanted = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local limit_max, limit_ms, grouped = tonumber(ARGV[6]), tonumber(ARGV[7]), ARGV[8] == '1'
local wait, active = P .. 'wait', P .. 'active'
local FIRST_TOKEN = 8

local call = redis.call
-- The rest of a job that ran or failed before, or is debounced: read only for those, into the same reply.
local function describe(id, fields)
  if fields[5] or fields[6] or fields[8] then
    local more = call('HMGET', P .. id, 'stacktrace', 'progress')
    fields[9], fields[10], fields[11] = more[1], more[2], call('HGET', X .. 'job:' .. id, 'checkpoint')
  end
  return fields
end
local function read(key)
  return redis.pcall('HMGET', key, 'name', 'data', 'opts', 'timestamp', 'attemptsMade', 'processedOn',
    'stalledCounter', 'deid')
end

local before = replay(lane, request)
if before then
  local reply = { now, 0, before[1], 0 }
  for at = 2, #before, 2 do
    local id, index = before[at], before[at + 1]
    if redis.call('GET', P .. id .. ':lock') == ARGV[FIRST_TOKEN + index] then
      local n = #reply
      reply[n + 1], reply[n + 2], reply[n + 3] = id, index, describe(id, read(P .. id))
    end
  end
  return reply
end

local rest = redis.call('PTTL', X .. 'rest')
if rest > 0 then return { now, rest, 0, 0 } end
local wrong = expect_types({ wait, 'list', active, 'list', P .. 'stalled', 'set', P .. 'priority', 'zset',
  P .. 'failed', 'zset', P .. 'delayed', 'zset', X .. 'leases', 'set' })
if wrong then return wrong end
local ids = redis.call('LRANGE', wait, -wanted, -1)
local found = #ids
if found == 0 then
  if ARGV[5] == '1' then redis.call('PUBLISH', P .. 'drained', '') end
  return { now, 0, 0, tonumber(ARGV[5]) }
end

local fence = redis.call('INCRBY', X .. 'fence', found) - found + 1
redis.call('RPOP', wait, found)
local lock_keys, taken = {}, {}
for i = 1, found do lock_keys[i] = P .. ids[i] .. ':lock' end
local locks = redis.call('MGET', unpack(lock_keys))

local reply, memo = { now, 0, fence, 0 }, { fence }
local claimed, started = {}, string.format('%.0f', now)
local channel = P .. 'active@'
for i = found, 1, -1 do -- the consumer end is the right one
  local id, lock_key = ids[i], lock_keys[i]
  -- Twice in the list, or listed although it runs: one run is enough.
  if not (taken[id] or (locks[i] and call('LPOS', active, id))) then
    local key = P .. id
    local fields = read(key)
    if fields.err then
      bury(id, 'undecodable', 'the key of the job is not a hash', now)
    elseif not fields[2] then
      -- A marker of another dialect is no job, a hash without data has nothing to run (Q4).
      if string.sub(id, 1, 2) ~= '0:' or fields[1] then
        bury(id, 'body_missing', 'the data of the job is missing', now)
      end
    elseif limit_max == 0 or not put_to_sleep(id, limit_max, limit_ms, grouped, now) then
      local index = #claimed + 1
      local token = ARGV[FIRST_TOKEN + index]
      taken[id] = true
      claimed[index] = id
      call('SET', lock_key, token, 'PX', lease)
      call('PUBLISH', channel .. token, id)
      call('HSET', key, 'processedOn', started)
      memo[2 * index], memo[2 * index + 1] = id, index
      if fields[7] then call('HSET', X .. 'leases:stalled', id, fields[7]) end
      local n = #reply
      reply[n + 1], reply[n + 2], reply[n + 3] = id, index, describe(id, fields)
    end
  end
end
if #claimed > 0 then
  call('LPUSH', active, unpack(claimed))
  call('SREM', P .. 'stalled', unpack(claimed))
  call('ZREM', P .. 'priority', unpack(claimed))
  call('SADD', X .. 'leases', unpack(claimed))
end
if found < wanted then
  call('PUBLISH', P .. 'drained', '')
  reply[4] = 1
end
remember(lane, request, memo, lease)
return reply
