--- Ends attempts badly: back to waiting, into `delayed`, or for good into `failed`, the dead-letter set.
-- KEYS  P, X; for copies of dead letters also those of their queue
-- ARGV  lane, request, reply kept ms, metrics points (0 = none); then for each run: id, token, fate (retry|delay|bury|unrun =
--       buried without having run: its attempts stay), delay ms, low bits of a delayed score, attemptsMade, failedReason,
--       stacktrace (JSON), event payload, keep count ('' = all, 0 = none), keep age s ('' = any), debounce id, lifo 0|1,
--       reason class, attempt record
--       (JSON object without its first brace; '' = none), options of a copy and where it comes from (JSON without ends; '' =
--       no copy)
-- Reply for each run: 0 done, or -1 no such job, -2 no lock, -3 not in active, -6 another run's lock
-- Kept  every check before the first write; a stale run changes nothing, not even the failure fields (Q1); the event is
--       published on the last failure only
-- Spec  docs/wire/bull-4.md 8
--- @include "keys"
--- @include "now"
--- @include "types"
--- @include "once"
--- @include "fence_batch"
--- @include "release"
--- @include "leave_active"
--- @include "bull/waiting"
--- @include "bull/debounce"
--- @include "bull/retention"
--- @include "metrics"
--- @include "cancel_mark"
--- @include "bull/bury"
--- @include "bull/dead_letter"
local FIRST, STRIDE = 5, 17
local lane, request, keep_ms, points = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local before = replay(lane, request)
if before then return before end
local failed = P .. 'failed'
local wrong, there = expect_types({ P .. 'active', 'list', failed, 'zset', P .. 'stalled', 'set', P .. 'delayed', 'zset',
  P .. 'wait', 'list', P .. 'paused', 'list', P .. 'priority', 'zset', X .. 'leases', 'set',
  X .. 'leases:stalled', 'hash', X .. 'suspects', 'hash', P .. 'metrics:failed', 'hash', P .. 'metrics:failed:data', 'list' })
wrong = wrong or dead_letter_misfit()
if wrong then return wrong end
local ATTEMPT_RECORDS_MAX = 20

local function record_attempt(id, made, class, attempt, fate)
  if attempt == '' then return end
  local record = own_record(id)
  if fate ~= 'unrun' then
    redis.call('HSET', record, 'attempt:' .. made, '{"at":' .. string.format('%.0f', now) .. ',' .. attempt)
    redis.call('HDEL', record, 'attempt:' .. (tonumber(made) - ATTEMPT_RECORDS_MAX))
  end
  if fate == 'bury' or fate == 'unrun' then
    local mark = class == 'cancelled' and cancel_mark(id)
    redis.call('HSET', record, 'reason', class, 'buried_at', now)
    if mark then note_cancelled(id, mark) end
  end
end

local function finish(at, id)
  local count, age = ARGV[at + 9], ARGV[at + 10]
  release_debounce(ARGV[at + 11])
  if count == '0' then
    delete_finished(id)
  else
    redis.call('ZADD', failed, now, id)
    redis.call('HSET', P .. id, 'failedReason', ARGV[at + 6], 'finishedOn', now)
    if count ~= '' or age ~= '' then trim_finished(failed, tonumber(count), tonumber(age), now) end
  end
  redis.call('PUBLISH', failed, ARGV[at + 8])
end

local function again(at, id, fate)
  if fate == 'delay' then
    local score = (now + tonumber(ARGV[at + 3])) * 4096 + tonumber(ARGV[at + 4])
    redis.call('ZADD', P .. 'delayed', score, id)
    redis.call('PUBLISH', P .. 'delayed', score / 4096)
    return
  end
  local list, priority = target_list(), priority_of(id)
  if priority ~= 0 then
    insert_by_priority(list, id, priority)
  else
    redis.call(ARGV[at + 12] == '1' and 'RPUSH' or 'LPUSH', list, id)
  end
end

local codes, keys, locks = refused_batch(FIRST, STRIDE, (#ARGV - FIRST + 1) / STRIDE)
local mine = release_held(codes, locks, FIRST, STRIDE, there)
if #mine == 0 then return codes end
local buried, was_active = 0, leave_active(mine)
for i = 1, #codes do
  if codes[i] == 0 then
    local at = FIRST + (i - 1) * STRIDE
    local id, fate = ARGV[at], ARGV[at + 2]
    if not was_active[id] then
      codes[i] = -3
    elseif redis.call('TYPE', keys[i]).ok ~= 'hash' then
      bury(id, 'undecodable', 'the key of the job was replaced while it ran', now)
    else
      redis.call('HSET', keys[i], 'stacktrace', ARGV[at + 7], 'failedReason', ARGV[at + 6], 'attemptsMade', ARGV[at + 5])
      record_attempt(id, ARGV[at + 5], ARGV[at + 13], ARGV[at + 14], fate)
      if fate == 'bury' or fate == 'unrun' then
        buried = buried + 1
        if ARGV[at + 13] == 'undecodable' then set_aside(id) end
        copy_dead_letter(id, ARGV[at + 15], ARGV[at + 16], ARGV[at + 1], now)
        finish(at, id)
      else
        again(at, id, fate)
      end
    end
  end
end
count_metrics('failed', buried, points, now)
remember(lane, request, codes, keep_ms)
return codes
