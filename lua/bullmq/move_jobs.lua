--- Moves jobs that nobody runs from a Bull 4 queue into this one.
-- KEYS  P, X of this queue; P, X of the Bull 4 queue
-- ARGV  where the jobs are: wait|paused|delayed|failed|completed; least distance of the two counters; 1 = the caller has
--       just paused this queue because the other one is; 1 = dry, only say; then for each job: id, options as they were
--       read ('' = none), options to store, priority, n, and n texts for an occurrence of a repeatable: repeat key,
--       scheduler id, due ms, then fields and values of the scheduler's record
-- Reply 1 if the other queue is paused and this must be paused first, else 0; then for each job a code of CODES
-- Kept  a job is in exactly one of the queues; an id that exists here is never overwritten; of a series that goes on here
--       no second one begins; numbers that the other queue gives out later are not given out here
-- Spec  docs/wire/bull-4.md 1.1, 4.2, 11; docs/wire/bullmq.md 1.2, 2, 8.1
--- @include "keys"
--- @include "now"
--- @include "types"
--- @include "bullmq/own_key"
--- @include "bullmq/place"
local S, SX = KEYS[3], KEYS[4]
local CODES = { moved = 0, gone = 1, changed = 2, locked = 3, dropped = 4, conflict = -1, no_body = -2, wrong_type = -3,
  refused = -4 }
local from, gap, has_paused, dry = ARGV[1], tonumber(ARGV[2]), ARGV[3] == '1', ARGV[4] == '1'
local source, record = S .. from, SX .. 'move'
local is_list, is_history = from == 'wait' or from == 'paused', from == 'failed' or from == 'completed'
local wrong, there = expect_types({ P .. 'id', 'string', P .. 'meta', 'hash', P .. 'wait', 'list',
  P .. 'paused', 'list', P .. 'active', 'list', P .. 'marker', 'zset', P .. 'events', 'stream', P .. 'delayed', 'zset',
  P .. 'prioritized', 'zset', P .. 'failed', 'zset', P .. 'completed', 'zset', P .. 'repeat', 'zset',
  S .. 'id', 'string', source, is_list and 'list' or 'zset',
  S .. 'priority', 'zset', S .. 'repeat', 'zset', S .. 'limiter:index', 'hash', record, 'hash' })
if wrong then return wrong end
local counter = redis.call('GET', P .. 'id')
if counter and not string.match(counter, '^%-?%d+$') then
  return redis.error_reply('WRONGKEY ' .. P .. 'id is not an integer')
end

local jobs, at = {}, 5
local theirs, locks, beside = {}, {}, {}
while at <= #ARGV do
  local id, n = ARGV[at], tonumber(ARGV[at + 4])
  jobs[#jobs + 1] = { id = id, read = ARGV[at + 1], opts = ARGV[at + 2], priority = ARGV[at + 3],
    series = n > 0 and ARGV[at + 5] or nil, scheduler = ARGV[at + 6], due = ARGV[at + 7],
    first = at + 8, last = at + 4 + n }
  theirs[#theirs + 1], theirs[#theirs + 2] = P .. id, P .. id .. ':logs'
  locks[#locks + 1] = S .. id .. ':lock'
  for _, key in ipairs({ S .. id .. ':logs', SX .. 'job:' .. id, SX .. 'broken:' .. id }) do
    beside[#beside + 1] = key
  end
  at = at + 5 + n
end
local function any(keys) return #keys > 0 and redis.call('EXISTS', unpack(keys)) > 0 end
local some_taken, some_locked, some_beside = any(theirs), any(locks), any(beside)

-- What is noted of an earlier move to another queue does not count.
local first_of_all = redis.call('HGET', record, 'to') ~= P
-- Is this the occurrence that its series goes on from? (Later ones exist when it has been claimed before.)
local function is_pending(job)
  local planned = not is_history and redis.call('ZSCORE', S .. 'repeat', job.series)
  return planned and tonumber(planned) == tonumber(job.due)
end
-- Its series goes on here and has had this turn, or will have it: an old producer has registered the repeatable again.
-- What a Bull worker has begun is a job of its own.
local function is_doublet(job)
  if is_history or job.said[9] or not redis.call('ZSCORE', P .. 'repeat', job.scheduler) then return false end
  local since = not first_of_all and tonumber(redis.call('HGET', record, 'series:' .. job.scheduler) or nil)
  return job.carries or (since and tonumber(job.due) >= since)
end
-- What becomes of a job. Nothing is written.
local function verdict(job)
  local id, key = job.id, S .. job.id
  if id == '' or is_own_key(id) then return CODES.refused end
  local said = redis.pcall('HMGET', key, 'name', 'data', 'opts', 'timestamp', 'delay', 'attemptsMade',
    'stalledCounter', 'deid', 'processedOn')
  if said.err then return CODES.wrong_type end
  local is_taken = some_taken and redis.call('EXISTS', P .. id, P .. id .. ':logs') > 0
  if not (said[2] or said[3] or (is_history and said[1])) then
    -- Listed twice, and moved the first time: a Bull worker would run it without its data.
    if is_taken and redis.call('EXISTS', key) == 0 then return CODES.dropped end
    return CODES.no_body
  end
  if not is_list then
    job.score = redis.call('ZSCORE', source, id)
    if not job.score then return CODES.gone end
  end
  if (said[3] or '') ~= job.read then return CODES.changed end
  if some_locked and redis.call('EXISTS', key .. ':lock') == 1 then return CODES.locked end
  job.said, job.carries = said, job.series and is_pending(job)
  if job.series and is_doublet(job) then return CODES.dropped end
  if job.carries and redis.call('ZSCORE', P .. 'repeat', job.scheduler) then job.carries = false end
  return is_taken and CODES.conflict or CODES.moved
end
local paused = redis.call('EXISTS', S .. 'meta-paused') == 1
local carried = not first_of_all and redis.call('HGET', record, 'paused')
if paused and not carried and not has_paused and not dry then return { 1 } end
local reply, seen, leaving, all_leave = { 0 }, {}, {}, true
for i, job in ipairs(jobs) do
  local code = seen[job.id] and CODES.gone or verdict(job)
  seen[job.id] = true
  reply[i + 1], job.code = code, code
  if code == CODES.moved or code == CODES.dropped then leaving[#leaving + 1] = job.id else all_leave = false end
end
if dry then return reply end

-- From here on it is written. The first write is one that a full memory refuses.
redis.call('HSET', record, 'to', P)
if first_of_all then
  for _, field in ipairs(redis.call('HKEYS', record)) do
    if field ~= 'to' then redis.call('HDEL', record, field) end
  end
end
if paused then redis.call('HSET', record, 'paused', 1) else redis.call('HDEL', record, 'paused') end
local meta = read_meta(P)
events_kept(meta)
-- While nobody has said whether 5.x or 6.x pauses here, jobs go where both find them when they resume.
if meta.paused and redis.call('HEXISTS', P .. 'meta', 'version') == 0 then meta.target = P .. 'paused' end
local given = number_of(redis.call('GET', S .. 'id'))
if number_of(counter) - given < gap / 2 then
  redis.call('SET', P .. 'id', string.format('%.0f', math.ceil((given + gap / 2) / gap) * gap))
end

-- Takes the ids out of their list or set; a list in one command if they are all of its consumers' end.
local left = {}
local function leave_source()
  if #leaving == 0 then return end
  if there[S .. 'priority'] then redis.call('ZREM', S .. 'priority', unpack(leaving)) end
  if not is_list then
    redis.call('ZREM', source, unpack(leaving))
    for _, id in ipairs(leaving) do left[id] = true end
    return
  end
  local tail, at_end = redis.call('LRANGE', source, -#leaving, -1), all_leave
  at_end = at_end and #tail == #leaving
  for i, id in ipairs(leaving) do at_end = at_end and tail[#tail + 1 - i] == id end
  if at_end then
    redis.call('LTRIM', source, 0, -#leaving - 1)
    for _, id in ipairs(leaving) do left[id] = true end
  else
    for _, id in ipairs(leaving) do left[id] = redis.call('LREM', source, -1, id) > 0 end
  end
end
local function forget_limit(id)
  local sleeping = there[S .. 'limiter:index'] and redis.call('HGET', S .. 'limiter:index', id)
  if not sleeping then return end
  redis.pcall('SREM', sleeping, id)
  redis.call('HDEL', S .. 'limiter:index', id)
end
-- A debounce id follows its job. One with a time of its own also goes on where it was, for the producers there.
local function move_debounce(id, deid)
  local old, new = S .. 'de:' .. deid, P .. 'de:' .. deid
  if redis.call('MGET', old)[1] ~= id then return end
  local ms, is_free = redis.call('PTTL', old), redis.call('EXISTS', new) == 0
  if ms > 0 then
    if is_free then redis.call('SET', new, id, 'PX', ms) end
  elseif is_free then
    redis.call('RENAME', old, new)
  else
    redis.call('DEL', old)
  end
end
local function begin_series(job)
  local scheduler = P .. 'repeat:' .. job.scheduler
  redis.call('ZREM', S .. 'repeat', job.series)
  redis.call('ZADD', P .. 'repeat', job.due, job.scheduler)
  redis.call('HSET', record, 'series:' .. job.scheduler, job.due)
  redis.call('DEL', scheduler)
  redis.call('HSET', scheduler, unpack(ARGV, job.first, job.last))
  if job.said[2] and job.said[2] ~= '{}' then redis.call('HSET', scheduler, 'data', job.said[2]) end
end
local stamp = string.format('%.0f', now)
local function write(job)
  local id, said, key = job.id, job.said, P .. job.id
  redis.call('RENAME', S .. id, key)
  if some_beside then
    for old, new in pairs({ [S .. id .. ':logs'] = key .. ':logs', [SX .. 'job:' .. id] = X .. 'job:' .. id,
      [SX .. 'broken:' .. id] = X .. 'broken:' .. id }) do
      if redis.call('EXISTS', old) == 1 then redis.call('RENAME', old, new) end
    end
  end
  redis.call('HSET', key, 'opts', job.opts, 'priority', job.priority)
  -- Bull counts failed tries only; each of them had been started.
  local tries, stalls = string.format('%.0f', number_of(said[6])), string.format('%.0f', number_of(said[7]))
  if said[6] then redis.call('HSET', key, 'atm', tries, 'ats', tries) end
  if said[7] then redis.call('HSET', key, 'stc', stalls) end
  if said[6] or said[7] then redis.call('HDEL', key, 'attemptsMade', 'stalledCounter') end
  if not said[1] then redis.call('HSET', key, 'name', '__default__') end
  if not said[4] then redis.call('HSET', key, 'timestamp', stamp) end
  if job.series then redis.call('HSET', key, 'rjk', job.scheduler) end
  if job.carries then begin_series(job) end
  if said[8] then move_debounce(id, said[8]) end
  forget_limit(id)
end
local waiting, ready, delayed, moved = {}, false, false, {}
-- Where it goes on; answers the state.
local function place(job)
  local id, priority = job.id, tonumber(job.priority)
  if is_history then
    redis.call('ZADD', P .. from, job.score, id)
    return from
  end
  emit_untrimmed(P, 'added', 'jobId', id, 'name', job.said[1] or '__default__')
  if is_list then
    ready = true
    emit_untrimmed(P, 'waiting', 'jobId', id)
    if priority > 0 then
      push_prioritized(P, id, priority)
      return 'prioritized'
    end
    waiting[#waiting + 1] = id
    return 'waiting'
  end
  local due = math.floor(tonumber(job.score) / 4096)
  -- As it was added, or since it failed: then counted from now.
  if number_of(job.said[4]) + number_of(job.said[5]) ~= due then
    redis.call('HSET', P .. id, 'delay', string.format('%.0f', math.max(0, due - now)))
  end
  push_delayed(P, id, due)
  emit_untrimmed(P, 'delayed', 'jobId', id, 'delay', string.format('%.0f', due))
  delayed = true
  return 'delayed'
end
-- What is here already, or goes on here.
local function drop(job)
  if job.carries then redis.call('ZREM', S .. 'repeat', job.series) end
  local deid = job.said and job.said[8]
  if deid and redis.call('MGET', S .. 'de:' .. deid)[1] == job.id then redis.call('DEL', S .. 'de:' .. deid) end
  redis.call('DEL', S .. job.id, S .. job.id .. ':logs', SX .. 'job:' .. job.id, SX .. 'broken:' .. job.id)
  forget_limit(job.id)
end

leave_source()
for i, job in ipairs(jobs) do
  if left[job.id] == false then
    reply[i + 1] = CODES.gone
  elseif job.code == CODES.moved then
    write(job)
    local state = place(job)
    moved[state] = (moved[state] or 0) + 1
  elseif job.code == CODES.dropped then
    drop(job)
  end
end
if #waiting > 0 then redis.call('LPUSH', target_list(meta), unpack(waiting)) end
if ready then mark_ready(meta) end
if delayed then mark_delayed(P) end
if ready or delayed then trim_events(meta) end
for state, n in pairs(moved) do
  redis.call('HSET', record, state, string.format('%.0f', number_of(redis.call('HGET', record, state)) + n))
end
return reply
