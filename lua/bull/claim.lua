--- Takes jobs from the consumer end of `wait` into `active`, each with a lock of its own and a lease.
-- KEYS  P, X
-- ARGV  lane, request, lease ms, wanted, busy 0|1 (something was claimed since the last `drained`),
--       limiter max (0 = none), limiter duration ms, limiter grouped 0|1; then `wanted` tokens; 1 = it may take a suspect
-- Reply now, rest ms (0, or how long the queue rests, or only suspects wait whose turn it is not, or this
--       process is to claim nothing more), fence of the first job,
--       drained 0|1, then for each token in turn one job: {name, data, opts, attemptsMade, processedOn, id, stacktrace, progress,
--       checkpoint, crashes that a suspect is charged with}, the last ones only where there may be any; or {} = this token
--       holds nothing any more
-- Lease the lock's own time to live; `X leases` names the locks that are ours
-- Kept  begins with a write that is refused when memory is out, so that claiming stops before anything else; every id
--       taken from `wait` is in `active` with a lock, asleep in `delayed`, or in `failed`; a job that runs is not
--       started again; nobody but the scripts moves a job
-- Spec  docs/wire/bull-4.md 5.2, 9; Q4, Q9
--- @include "keys"
--- @include "now"
--- @include "types"
--- @include "once"
--- @include "bull/bury"
--- @include "bull/limiter"
--- @include "suspects"
--- @include "quieted"
--- @include "bull/cancelled"
local lane, request, lease, wanted = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local limit_max, limit_ms, grouped = tonumber(ARGV[6]), tonumber(ARGV[7]), ARGV[8] == '1'
local wait, active = P .. 'wait', P .. 'active'
local FIRST_TOKEN = 8
local may_take_suspect = ARGV[FIRST_TOKEN + wanted + 1] == '1'
-- The reply of one call ends with the job that takes it past so many bytes of data: it must arrive within the worker's
-- response time-out.
local REPLY_BYTES_MAX = 16777216

local WINDOW_MAX = 2000
local call, try = redis.call, redis.pcall
local function reversed(list)
  local out = {}
  for i = #list, 1, -1 do out[#out + 1] = list[i] end
  return out
end
local function read(key)
  return try('HMGET', key, 'name', 'data', 'opts', 'attemptsMade', 'processedOn')
end
-- Adds what there may be of a job that ran or failed before: read only for those, into the same reply.
local function describe(id, fields)
  local more = call('HMGET', P .. id, 'stacktrace', 'progress', 'stalledCounter')
  local record = X .. 'job:' .. id
  local checkpoint = try('HGET', record, 'checkpoint')
  fields[7], fields[8] = more[1], more[2]
  fields[9] = type(checkpoint) == 'string' and is_about(record, id) and checkpoint
  if more[3] then call('HSET', X .. 'leases:stalled', id, more[3]) end
  return fields
end
-- The process runs this suspect from now on; `crashes` of its own are told with it.
local function tell_suspect(id, fields, token)
  if token then call('HSET', suspects, id, token) end
  for i = 7, 9 do fields[i] = fields[i] or false end
  fields[10] = own_crashes(id)
end

local before = replay(lane, request)
if before then
  local reply = { now, 0, before[1], 0 }
  for index, id in ipairs(before[2]) do
    local lock = P .. id .. ':lock'
    local held = call('GET', lock) == ARGV[FIRST_TOKEN + index]
    -- The worker counts its lease from this sending.
    if held then call('PEXPIRE', lock, lease) end
    local fields = held and read(P .. id) or {}
    fields[6] = held and id
    reply[#reply + 1] = held and not fields.err and describe(id, fields) or {}
    if held and not fields.err and redis.pcall('HEXISTS', suspects, id) == 1 then tell_suspect(id, fields) end
  end
  return reply
end

local rest = redis.call('PTTL', X .. 'rest')
if rest > 0 then return { now, rest, 0, 0 } end
local wrong, there = expect_types({ wait, 'list', active, 'list', P .. 'completed', 'zset', X .. 'leases', 'set',
  X .. 'fence', 'string' }, { P .. 'stalled', 'set', P .. 'priority', 'zset', P .. 'failed', 'zset', P .. 'delayed', 'zset',
  P .. 'paused', 'list', P .. 'metrics:completed', 'hash', P .. 'metrics:failed', 'hash', X .. 'leases:stalled', 'hash',
  suspects, 'hash', X .. 'quiet', 'hash' })
if wrong then return wrong end
if is_quiet(there, ARGV[FIRST_TOKEN + 1]) then return { now, QUIET_REST_MS, 0, 0 } end
if tonumber(lease) < 1 or (limit_max > 0 and limit_ms < 1) then
  return redis.error_reply('ERR a lease and a limiter window last 1 ms or more')
end
local known, passed, ids, left = {}, false
if not there[suspects] then
  ids = redis.call('LRANGE', wait, -wanted, -1)
else -- seldom: looks as far as there are suspects, and takes from among them
  local window = redis.call('LRANGE', wait, -math.min(wanted + redis.call('HLEN', suspects), WINDOW_MAX), -1)
  known = suspects_among(window)
  ids, left, passed = pick(reversed(window), wanted, known, may_take_suspect)
  ids, left = reversed(ids), reversed(left)
end
local found = #ids
wrong = limit_max > 0 and limiter_misfit(ids, grouped)
if wrong then return wrong end
if found == 0 then
  if passed then return { now, SUSPECT_REST_MS, 0, 0 } end
  if ARGV[5] == '1' then redis.call('PUBLISH', P .. 'drained', '') end
  return { now, 0, 0, tonumber(ARGV[5]) }
end

local fence = redis.call('INCRBY', X .. 'fence', found) - found + 1
redis.call('RPOP', wait, found + (left and #left or 0))
if left and #left > 0 then redis.call('RPUSH', wait, unpack(left)) end
local reply = { now, 0, fence, 0 }
local claimed, count, started, channel, base, args = {}, 0, string.format('%.0f', now), P .. 'active@', P, ARGV
local limited, bytes, taken = limit_max > 0, 0, found
-- Listed twice, or listed although it runs: one run is enough. Asked only about ids that have a lock.
local function runs_already(id)
  for i = 1, count do
    if claimed[i] == id then return true end
  end
  return call('LPOS', active, id)
end
-- What cannot be run leaves `wait` for the dead letters. A marker of another dialect is no job; a hash without data has
-- nothing to run (Q4).
local function refuse(id, fields)
  if fields.err then
    bury(id, 'undecodable', 'the key of the job is not a hash', now)
  elseif fields[1] or string.sub(id, 1, 2) ~= '0:' then
    bury(id, 'body_missing', 'the data of the job is missing', now)
  end
end
-- By the rate limiter: asleep now. What runs already must not be put to sleep; one run is enough.
local function held_up(id, key)
  return call('EXISTS', key .. ':lock') == 1 and runs_already(id)
    or put_to_sleep(id, limit_max, limit_ms, grouped, now)
end
-- An id that is not UTF-8 cannot be named to anybody: its run could never end. Looked at only where one is not ASCII.
local exotic = string.find(table.concat(ids), '[\128-\255]')
local function is_text(id)
  local rest = string.gsub(id, '[\194-\223][\128-\191]', '')
  rest = string.gsub(rest, '[\224-\239][\128-\191][\128-\191]', '')
  rest = string.gsub(rest, '[\240-\244][\128-\191][\128-\191][\128-\191]', '')
  return not string.find(rest, '[\128-\255]')
end
for i = found, 1, -1 do -- the consumer end is the right one
  if bytes >= REPLY_BYTES_MAX then
    taken = found - i
    call('RPUSH', wait, unpack(ids, 1, i))
    break
  end
  local id = ids[i]
  local key = base .. id
  local fields = read(key)
  if not fields[2] then
    refuse(id, fields)
  elseif exotic and not is_text(id) then
    bury(id, 'undecodable', 'the id is not UTF-8', now)
  elseif fields[5] and cancelled_since_it_ran(id) then
    call('ZREM', P .. 'priority', id)
    end_cancelled(id, cancel_mark(id))
  elseif not limited or not held_up(id, key) then
    local token = args[FIRST_TOKEN + count + 1]
    local lock = key .. ':lock'
    local free = call('SET', lock, token, 'PX', lease, 'NX')
    if free or not runs_already(id) then
      -- A lock on a job that does not run is somebody's by hand; Bull overwrites it too.
      if not free then call('SET', lock, token, 'PX', lease) end
      count = count + 1
      claimed[count] = id
      call('PUBLISH', channel .. token, id)
      call('HSET', key, 'processedOn', started)
      if fields[5] then -- it ran before: an id that is used or listed again has not ended
        call('ZREM', P .. 'completed', id)
        call('ZREM', P .. 'failed', id)
      end
      reply[count + 4] = fields
      bytes = bytes + #fields[2]
      fields[6] = id
      if fields[4] or fields[5] then describe(id, fields) end
      if known[id] then tell_suspect(id, fields, token) end
    end
  end
end
if count > 0 then
  call('LPUSH', active, unpack(claimed))
  if there[P .. 'stalled'] then call('SREM', P .. 'stalled', unpack(claimed)) end
  if there[P .. 'priority'] then call('ZREM', P .. 'priority', unpack(claimed)) end
  call('SADD', X .. 'leases', unpack(claimed))
end
if passed and found < wanted then
  reply[2] = SUSPECT_REST_MS
elseif taken == found and found < wanted then
  call('PUBLISH', P .. 'drained', '')
  reply[4] = 1
end
remember(lane, request, { fence, claimed }, lease)
return reply
