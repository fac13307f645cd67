--- BullMQ's own two-pass check for jobs whose worker died, shared with Node workers through the same guard.
-- KEYS  P, X
-- ARGV  interval ms, most recoveries of one job (maxStalledCount)
-- Reply {} (a job that stalled too often is given back too: its next run fails it), {recovered ids}
-- Kept  a job with a lock is never touched, nor one that a worker of ours holds (our own sweep takes it back sooner); one bad job
--       does not stop the pass for the others
-- Spec  docs/wire/bullmq.md 5.2
--- @include "keys"
--- @include "now"
--- @include "types"
--- @include "number"
--- @include "bullmq/target"
--- @include "bullmq/marker"
--- @include "bullmq/event"
--- @include "bullmq/bury"
--- @include "bullmq/cancelled"
local guard, marked, active = P .. 'stalled-check', P .. 'stalled', P .. 'active'
local wrong = expect_types({ guard, 'string', marked, 'set', active, 'list', P .. 'wait', 'list', P .. 'paused', 'list',
  P .. 'failed', 'zset', P .. 'meta', 'hash', P .. 'events', 'stream', P .. 'marker', 'zset', P .. 'repeat', 'zset',
  P .. 'delayed', 'zset', P .. 'prioritized', 'zset',   X .. 'leases', 'set' })
if wrong then return wrong end
if redis.call('EXISTS', guard) == 1 then return { {}, {} } end
redis.call('SET', guard, now, 'PX', ARGV[1])
local meta, recovered = read_meta(P), {}
if redis.call('EXISTS', P .. 'events') == 1 then trim_events(meta) end

-- An iteration of a scheduler that still exists runs again, however often it stalls.
local function is_protected(scheduler)
  return scheduler and (redis.call('EXISTS', P .. 'repeat:' .. scheduler) == 1
    or redis.call('ZSCORE', P .. 'repeat', scheduler)) and true or false
end
local function take_back(id)
  local fields = redis.pcall('HMGET', P .. id, 'data', 'opts', 'stc', 'rjk')
  if fields.err then return bury(id, 'undecodable', 'the key of the job is not a hash', now) end
  if not (fields[1] or fields[2]) then return bury(id, 'body_missing', 'the data of the job is missing', now) end
  local mark = cancel_mark(id)
  if mark then return end_cancelled(meta, id, mark, 'active') end
  -- A counter that is no number starts anew: HINCRBY on it would stop the pass for everybody.
  local stalls = math.floor(number_of(fields[3])) + 1
  redis.call('HSET', P .. id, 'stc', stalls)
  if stalls > tonumber(ARGV[2]) and not is_protected(fields[4]) then
    redis.call('HSET', P .. id, 'defa', 'job stalled more than allowable limit')
  end
  redis.call('RPUSH', target_list(meta), id)
  mark_ready(meta)
  emit_untrimmed(P, 'waiting', 'jobId', id, 'prev', 'active')
  emit_untrimmed(P, 'stalled', 'jobId', id)
  recovered[#recovered + 1] = id
end

local suspects = redis.call('SMEMBERS', marked)
if #suspects > 0 then redis.call('DEL', marked) end
for _, id in ipairs(suspects) do
  if string.sub(id, 1, 2) == '0:' then
    redis.call('LREM', active, 1, id)
  elseif redis.call('SISMEMBER', X .. 'leases', id) == 0 and redis.call('EXISTS', P .. id .. ':lock') == 0
    and redis.call('LREM', active, 1, id) > 0 then
    take_back(id)
  end
end
for first = 0, redis.call('LLEN', active) - 1, 1000 do
  redis.call('SADD', marked, unpack(redis.call('LRANGE', active, first, first + 999)))
end
return { {}, recovered }
