--- Bull's own two-pass check for jobs whose worker died, shared with Node workers through the same guard.
-- KEYS  P, X
-- ARGV  interval ms, most recoveries of one job (maxStalledCount)
-- Reply {failed ids}, {recovered ids}
-- Kept  a job with a lock is never touched, nor one that a worker of ours holds (our own sweep takes it back sooner); one bad job
--       does not stop the pass for the others
-- Spec  docs/wire/bull-4.md 6.3; Q5, Q18
--- @include "keys"
--- @include "now"
--- @include "types"
--- @include "bull/target"
--- @include "bull/debounce"
--- @include "bull/retention"
--- @include "bull/cancelled"
--- @include "number"
--- @include "bull/bury"
local guard, marked, active = P .. 'stalled-check', P .. 'stalled', P .. 'active'
local wrong = expect_types({ guard, 'string', marked, 'set', active, 'list', P .. 'wait', 'list', P .. 'paused', 'list',
  P .. 'failed', 'zset', X .. 'leases', 'set' })
if wrong then return wrong end
if redis.call('EXISTS', guard) == 1 then return { {}, {} } end
redis.call('SET', guard, now, 'PX', ARGV[1])

local failed, recovered = {}, {}
local function give_up(id, opts, deid)
  redis.call('ZADD', P .. 'failed', now, id)
  redis.call('HSET', P .. id, 'failedReason', 'job stalled more than allowable limit', 'finishedOn', now)
  release_debounce(deid)
  redis.call('PUBLISH', P .. 'failed',
    '{"jobId":' .. cjson.encode(id) .. ', "val": "job stalled more than maxStalledCount"}')
  local count, age = keep_failed(opts)
  if count == 0 then
    redis.call('ZREM', P .. 'failed', id)
    delete_finished(id)
  elseif count or age then
    trim_finished(P .. 'failed', count, age, now)
  end
  failed[#failed + 1] = id
end
local function take_back(id)
  local fields, mark = redis.pcall('HMGET', P .. id, 'data', 'opts', 'deid', 'stalledCounter'), cancel_mark(id)
  if fields.err then
    bury(id, 'undecodable', 'the key of the job is not a hash', now)
  elseif not fields[1] and not fields[2] then
    bury(id, 'body_missing', 'the data of the job is missing', now)
  elseif mark then
    end_cancelled(id, mark)
  else
    -- A counter that is no number starts anew: HINCRBY on it would stop the pass for everybody.
    local stalls = math.floor(number_of(fields[4])) + 1
    redis.call('HSET', P .. id, 'stalledCounter', stalls)
    if stalls > tonumber(ARGV[2]) then return give_up(id, fields[2], fields[3]) end
    redis.call('RPUSH', target_list(), id)
    redis.call('PUBLISH', P .. 'stalled@', id)
    recovered[#recovered + 1] = id
  end
end

local suspects = redis.call('SMEMBERS', marked)
if #suspects > 0 then redis.call('DEL', marked) end
for _, id in ipairs(suspects) do
  local ours = redis.call('SISMEMBER', X .. 'leases', id) == 1
  if not ours and redis.call('EXISTS', P .. id .. ':lock') == 0 and redis.call('LREM', active, 1, id) > 0 then
    take_back(id)
  end
end
for first = 0, redis.call('LLEN', active) - 1, 1000 do
  redis.call('SADD', marked, unpack(redis.call('LRANGE', active, first, first + 999)))
end
return { failed, recovered }
