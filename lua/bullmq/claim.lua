--- Takes jobs from the consumer end of `wait`, then from `prioritized`, into `active`, each with a lock of its own and a
--- lease. Delayed jobs that are due are moved first.
-- KEYS  P, X
-- ARGV  lane, request, lease ms, wanted, worker's name ('' = none), limiter max (0 = none), limiter duration ms; then
--       `wanted` tokens; 1 = it may take a suspect
-- Reply now, rest ms (0, or how long nothing may be taken, or only suspects wait whose turn it is not, or this process is
--       to claim nothing more), fence of the first job, 0, when the next delayed job is due (ms, '' = none), then for each
--       token in turn one job: {name, data, opts, timestamp, id, atm, ats, defa, rjk, parentKey, stacktrace, progress,
--       checkpoint, crashes that a suspect is charged with}, ended after id where the hash is as its producer wrote it; or
--       {} = this token holds nothing any more
-- Lease the lock's own time to live; `X leases` names the locks that are ours
-- Kept  begins with a write that is refused when memory is out, so that claiming stops before anything else; every id
--       taken is in `active` with a lock, or in `failed`; a job that runs is not started again; as many single claims in
--       sequence give the same
-- Spec  docs/wire/bullmq.md 4, 15
--- @include "keys"
--- @include "now"
--- @include "types"
--- @include "once"
--- @include "bullmq/meta"
--- @include "bullmq/limiter"
--- @include "quieted"
local lane, request, lease, wanted, worker = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]), ARGV[5]
local wait, active, prioritized = P .. 'wait', P .. 'active', P .. 'prioritized'
local FIRST_TOKEN, EXAMINED_MOST = 7, 2000
-- The reply of one call ends with the job that takes it past so many bytes of data: it must arrive within the worker's
-- response time-out.
local REPLY_BYTES_MAX = 16777216
local call, try = redis.call, redis.pcall
local base, events, args = P, P .. 'events', ARGV
local meta
local claimed, count, counted, started = {}, 0, 0, string.format('%.0f', now)
local may_take_suspect, known, passed, passed_scores = ARGV[FIRST_TOKEN + wanted + 1] == '1', nil, {}, {}

-- What every producer writes, of every version, and `delay` and `priority` besides.
local FIELDS_OF_A_PLAIN_JOB = 6
local function read(key) return try('HMGET', key, 'name', 'data', 'opts', 'timestamp') end
local function mark_started(key, starts)
  if worker == '' then
    call('HSET', key, 'processedOn', started, 'ats', starts)
  else
    call('HSET', key, 'processedOn', started, 'ats', starts, 'pb', worker)
  end
end

-- What only few jobs need is made when there is one.
local seldom
local function rarely()
  if seldom then return seldom end
--- @include "bullmq/due"
--- @include "bullmq/bury"
--- @include "suspects"
--- @include "bullmq/cancelled"
  local function read_more(key)
    local more = call('HMGET', key, 'atm', 'attemptsMade', 'ats', 'defa', 'rjk', 'parentKey', 'stacktrace', 'progress', 'stc')
    return { made = more[2] or more[1], started = more[3], defa = more[4], stc = more[9], -- `attemptsMade`: of version 4
      ran = more[1] or more[3], told = { more[4], more[5], more[6], more[7], more[8] } }
  end
  -- One job as the reply tells it, in the table that was read; of one that is not plain.
  local function describe(id, fields, more, started)
    fields[5], fields[6], fields[7] = id, more.made, started
    for i = 1, 5 do fields[7 + i] = more.told[i] end
    if more.made or more.started then -- it was picked up before
      local record = X .. 'job:' .. id
      local checkpoint = try('HGET', record, 'checkpoint')
      fields[13] = type(checkpoint) == 'string' and is_about(record, id) and checkpoint
      if more.stc then call('HSET', X .. 'leases:stalled', id, more.stc) end
    end
    return fields
  end

  -- The process runs this suspect from now on; `crashes` of its own are told with it.
  local function tell_suspect(id, fields, token)
    if token then call('HSET', suspects, id, token) end
    for i = 5, 13 do fields[i] = fields[i] or false end
    fields[14] = own_crashes(id)
  end
  -- The answer that this request has had, with the jobs as they are now.
  local function tell_again(before)
    local reply = { now, 0, before[1], 0, '' }
    for index, id in ipairs(before[2]) do
      local key = P .. id
      local lock = key .. ':lock'
      local held = call('GET', lock) == ARGV[FIRST_TOKEN + index]
      -- The worker counts its lease from this sending.
      if held then call('PEXPIRE', lock, lease) end
      local fields = held and read(key) or {}
      local more = held and not fields.err and read_more(key)
      reply[#reply + 1] = more and describe(id, fields, more, more.started) or {}
      if more and runs_alone(id) then tell_suspect(id, fields) end
    end
    return reply
  end
  -- Listed twice, or listed although it runs: one run is enough. Asked only about ids that have a lock.
  local function runs_already(id)
    for i = 1, count do
      if claimed[i] == id then return true end
    end
    return call('LPOS', active, id)
  end
  -- An id that is not UTF-8 cannot be named to anybody: its run could never end.
  local function is_text(id)
    local left = string.gsub(id, '[\194-\223][\128-\191]', '')
    left = string.gsub(left, '[\224-\239][\128-\191][\128-\191]', '')
    left = string.gsub(left, '[\240-\244][\128-\191][\128-\191][\128-\191]', '')
    return not string.find(left, '[\128-\255]')
  end
  -- What cannot be run leaves for the dead letters. A marker of an old version is no job and is dropped.
  local function refused_id(id, fields)
    if string.sub(id, 1, 2) == '0:' then return true end
    if fields.err then
      bury(id, 'undecodable', 'the key of the job is not a hash', now)
    elseif not (fields[2] or fields[3]) then
      bury(id, 'body_missing', 'the data of the job is missing', now)
    elseif not is_text(id) then
      bury(id, 'undecodable', 'the id is not UTF-8', now)
    else
      return false
    end
    return true
  end
  -- Cancelled while it ran, and its worker died or gave it back: it ends here.
  local function was_cancelled(id)
    local mark = cancelled_since_it_ran(id)
    if mark then end_cancelled(meta, id, mark, 'waiting') end
    return mark
  end
  local function may_start(id, fields) return not (refused_id(id, fields) or was_cancelled(id)) end
  -- The lock is taken. One on a job that does not run is somebody's by hand; BullMQ overwrites it too.
  local function take_over(id, lock, token)
    return not runs_already(id) and call('SET', lock, token, 'PX', lease)
  end
  -- A job that is not plain: most often it ran before.
  local function start_again(id, key, fields)
    local more = read_more(key)
    local starts = more.started and string.format('%.0f', number_of(more.started) + 1) or '1'
    mark_started(key, starts)
    if meta.five or not more.defa then counted = counted + 1 end
    if more.ran then -- an id that is used or listed again has not ended
      call('ZREM', P .. 'completed', id)
      call('ZREM', P .. 'failed', id)
    end
    describe(id, fields, more, starts)
  end
  -- Back to where they were taken from, in their order.
  local function put_back(ids, scores, first)
    for i = #ids, first, -1 do
      if scores[i] then call('ZADD', prioritized, scores[i], ids[i]) else call('RPUSH', wait, ids[i]) end
    end
  end
  -- Seldom: suspects whose turn it is not, to be put back when all others were taken.
  local function pass_over(ids, scores)
    known = suspects_among(ids)
    local others, score_of = {}, {}
    for i = 1, #ids do
      if known[ids[i]] and not may_take_suspect then
        passed[#passed + 1] = ids[i]
        passed_scores[#passed] = scores[i]
      else
        if known[ids[i]] then may_take_suspect = false end
        others[#others + 1] = ids[i]
        score_of[#others] = scores[i]
      end
    end
    return others, score_of
  end
  seldom = { due_jobs = due_jobs, mark_ready = mark_ready, promote = promote, next_due = next_due,
    tell_again = tell_again, take_over = take_over, may_start = may_start, start_again = start_again,
    put_back = put_back, pass_over = pass_over, tell_suspect = tell_suspect, suspects_rest_ms = SUSPECT_REST_MS }
  return seldom
end

local before = replay(lane, request)
if before then return rarely().tell_again(before) end
local wrong, there = expect_types({ wait, 'list', active, 'list', P .. 'meta', 'hash', P .. 'events', 'stream',
  P .. 'marker', 'zset', P .. 'completed', 'zset', X .. 'leases', 'set', X .. 'fence', 'string' }, { prioritized, 'zset',
  P .. 'delayed', 'zset', P .. 'limiter', 'string', P .. 'pc', 'string', P .. 'stalled', 'set', P .. 'failed', 'zset',
  P .. 'paused', 'list', X .. 'leases:stalled', 'hash', X .. 'suspects', 'hash', X .. 'quiet', 'hash' })
if wrong then return wrong end
if tonumber(lease) < 1 then return redis.error_reply('ERR a lease lasts 1 ms or more') end

meta = read_meta(P)
local has_delayed = there[P .. 'delayed']
local due = has_delayed and rarely().due_jobs(now) or {}
local fence = 0
if #due > 0 or there[wait] or there[prioritized] then
  fence = call('INCRBY', X .. 'fence', wanted) - wanted + 1
end
if #due > 0 then rarely().promote(meta, due, now) end
local planned = has_delayed and rarely().next_due()
local reply = { now, 0, fence, 0, planned and string.format('%.0f', planned) or '' }
local rest = call('PTTL', X .. 'rest')
if rest > 0 then
  reply[2] = rest
  return reply
end
if is_quiet(there, ARGV[FIRST_TOKEN + 1]) then
  -- It may have taken the token that would have woken somebody else.
  if redis.call('EXISTS', wait, prioritized) > 0 then rarely().mark_ready(meta) end
  reply[2] = QUIET_REST_MS
  return reply
end
local limiter = limiter_of(meta, tonumber(ARGV[6]), tonumber(ARGV[7]))
local room, limited = limiter_room(limiter)
if limited > 0 then
  reply[2] = limited
  return reply
end
local most = wanted
if meta.concurrency then most = math.min(most, meta.concurrency - call('LLEN', active)) end
if meta.paused or most < 1 then return reply end

local examined = 0
-- Some id here may be a marker of an old version, or no text.
local function has_odd_ids(ids)
  local all = ' ' .. table.concat(ids, ' ')
  return string.find(all, ' 0:', 1, true) or not string.find(all, '^[\1-\127]*$')
end
-- Ids from the consumer end of `wait`, then by priority, these with their scores.
local function take(n)
  local ids, scores = there[wait] and call('RPOP', wait, n) or {}, {}
  if #ids < n then
    local by_score = call('ZPOPMIN', prioritized, n - #ids)
    for i = 1, #by_score, 2 do
      ids[#ids + 1] = by_score[i]
      scores[#ids] = by_score[i + 1]
    end
  end
  return ids, scores
end
if #due > 0 then there[wait] = call('EXISTS', wait) == 1 end -- promoting may have filled it
local dry, bytes = false, 0
while not dry and bytes < REPLY_BYTES_MAX and count < most and counted < room and examined < EXAMINED_MOST do
  local n = math.min(most - count, room - counted)
  local ids, scores = take(n)
  dry, examined = #ids < n, examined + #ids
  if there[X .. 'suspects'] then ids, scores = rarely().pass_over(ids, scores) end
  local odd = has_odd_ids(ids)
  for i = 1, #ids do
    local id = ids[i]
    local key = base .. id
    local fields = read(key)
    local plain = not odd and fields[1] and fields[2] and fields[3] and fields[4]
      and call('HLEN', key) == FIELDS_OF_A_PLAIN_JOB
    if plain or rarely().may_start(id, fields) then
      local token, lock = args[FIRST_TOKEN + count + 1], key .. ':lock'
      if call('SET', lock, token, 'PX', lease, 'NX') or rarely().take_over(id, lock, token) then
        count = count + 1
        claimed[count] = id
        call('XADD', events, '*', 'event', 'active', 'jobId', id, 'prev', 'waiting')
        if plain then
          mark_started(key, '1')
          counted = counted + 1
          fields[5] = id
        else
          rarely().start_again(id, key, fields)
        end
        if known and known[id] then rarely().tell_suspect(id, fields, token) end
        bytes = bytes + #(fields[2] or '')
        reply[count + 5] = fields
      end
    end
    if bytes >= REPLY_BYTES_MAX and i < #ids then
      rarely().put_back(ids, scores, i + 1)
      dry = false
      break
    end
  end
end
if #passed > 0 then
  rarely().put_back(passed, passed_scores, 1)
  if count < wanted then reply[2] = rarely().suspects_rest_ms end
end
if dry then call('DEL', P .. 'pc') end
if examined > 0 then call('ZADD', P .. 'marker', 0, '0') end
if count == 0 then return reply end
call('LPUSH', active, unpack(claimed))
if there[P .. 'stalled'] then call('SREM', P .. 'stalled', unpack(claimed)) end
call('SADD', X .. 'leases', unpack(claimed))
limiter_count(limiter, counted)
if count < wanted and limiter.max and counted >= room then reply[2] = math.max(call('PTTL', limiter.key), 0) end
remember(lane, request, { fence, claimed }, lease)
return reply
