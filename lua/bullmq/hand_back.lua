--- Gives jobs back unfinished and unspent: at shutdown, when a backend asks for time, when a handler was never started.
-- KEYS  P, X
-- ARGV  lane, request, reply kept ms, rest ms (0, or how long the whole queue rests); then for each run: id, token,
--       delay ms ('' = to the consumer end of waiting,
--       `hold` = as long as a person has paused it), most deferrals ('' = not counted)
-- Reply for each run: 0 done, or -1 no such job, -2 no lock, -3 not in active, -6 another run's lock, -8 deferred too
--       often (nothing was written)
-- Kept  no attempt is spent; a prioritized job comes back before all others of its priority; a queue that rests does so
--       for Node workers with a limiter too
-- Spec  docs/wire/bullmq.md 6.2 (manual delay), 6.3, 4.4
--- @include "keys"
--- @include "now"
--- @include "types"
--- @include "once"
--- @include "fence_batch"
--- @include "suspects"
--- @include "hold"
--- @include "bullmq/target"
--- @include "bullmq/marker"
--- @include "bullmq/event"
--- @include "bullmq/delayed"
local FIRST, STRIDE = 5, 4
-- What BullMQ itself writes for a rest that a processor asked for: more than any limit.
local NO_ROOM = '9007199254740991'
local lane, request, keep_ms, rest = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local before = replay(lane, request)
if before then return before end
local wrong = expect_types({ P .. 'active', 'list', P .. 'stalled', 'set', P .. 'delayed', 'zset', P .. 'wait', 'list',
  P .. 'paused', 'list', P .. 'prioritized', 'zset', P .. 'meta', 'hash', P .. 'events', 'stream', P .. 'marker', 'zset',
  X .. 'leases', 'set', X .. 'leases:stalled', 'hash', X .. 'suspects', 'hash' })
if wrong then return wrong end
local codes, keys, locks = refused_batch(FIRST, STRIDE, (#ARGV - FIRST + 1) / STRIDE)
local meta, call = read_meta(P), redis.call
-- Only read here: counting comes after the DEL of the lock, or a full memory would refuse it.
local function too_often(id, most)
  if most == '' then return false end
  local record = X .. 'job:' .. id
  local deferrals = redis.pcall('HGET', record, 'deferrals')
  return type(deferrals) == 'string' and number_of(deferrals) >= tonumber(most) and is_about(record, id)
end
local function let_go(i, id, is_counted, held)
  call('DEL', locks[i])
  if is_counted then
    count_up(own_record(id), 'deferrals')
    call('HDEL', suspects, id) -- its handler has answered
  elseif held then
    call('HDEL', suspects, id)
  else
    stand_in_line(id)
  end
  call('SREM', P .. 'stalled', id)
  call('SREM', X .. 'leases', id)
  call('HDEL', X .. 'leases:stalled', id)
  return call('LREM', P .. 'active', -1, id) > 0
end
local held, ready, delayed = 0, false, false
local function put_back(id, key, delay)
  if delay ~= '' then
    local due = now + tonumber(delay)
    redis.pcall('HSET', key, 'delay', delay)
    push_delayed(P, id, due)
    emit(meta, 'delayed', 'jobId', id, 'delay', due)
    delayed = true
    return
  end
  local stored = redis.pcall('HGET', key, 'priority')
  local priority = type(stored) == 'string' and number_of(stored) or 0
  if priority > 0 then
    call('ZADD', P .. 'prioritized', priority * 4294967296, id)
  else
    call('RPUSH', target_list(meta), id)
  end
  emit(meta, 'waiting', 'jobId', id, 'prev', 'active')
  ready = true
end
for i = 1, #codes do
  local at = FIRST + (i - 1) * STRIDE
  local id, most = ARGV[at], ARGV[at + 3]
  if codes[i] == 0 and too_often(id, most) then codes[i] = -8 end
  if codes[i] == 0 then
    held = held + 1
    local delay, paused = ARGV[at + 2], ARGV[at + 2] == 'hold'
    if paused then delay = hold_of(id) and HOLD_MS or '' end
    if let_go(i, id, most ~= '', paused) then put_back(id, keys[i], delay) else codes[i] = -3 end
  end
end
if held == 0 then return codes end
-- A slot that all workers of the queue share is free again, too.
if ready or meta.concurrency then mark_ready(meta) end
if delayed then mark_delayed(P) end
if rest > 0 then
  call('SET', X .. 'rest', 1, 'PX', rest)
  call('SET', P .. 'limiter', NO_ROOM, 'PX', rest)
end
remember(lane, request, codes, keep_ms)
return codes
