--- Ends attempts badly: back to waiting, into `delayed`, or for good into `failed`, the dead-letter set.
-- KEYS  P, X; for copies of dead letters also those of their queue
-- ARGV  lane, request, reply kept ms, metrics points (0 = none); then for each run: id, token, fate (retry|delay|bury|unrun =
--       buried without having run: its attempts stay), delay ms, failedReason, stacktrace (JSON), keep count
--       ('' = all, 0 = none), keep age s ('' = any), most that are removed by age ('' = 1000), lifo 0|1, attempts that the job
--       has in all, reason class, attempt record (JSON
--       object without its first brace; '' = none), options of a copy and where it comes from (JSON without ends; '' = no copy)
-- Reply for each run: 0 done, or -1 no such job, -2 no lock, -3 not in active, -6 another run's lock
-- Kept  every check before the first write; a stale run changes nothing, not even the failure fields; a job is in one place;
--       the events `failed` and `retries-exhausted` are of the last failure only
-- Spec  docs/wire/bullmq.md 6.1, 6.2, 9.2
--- @include "keys"
--- @include "now"
--- @include "types"
--- @include "once"
--- @include "fence_batch"
--- @include "release"
--- @include "leave_active"
--- @include "metrics"
--- @include "cancel_mark"
--- @include "set_aside"
--- @include "bullmq/ending"
--- @include "bullmq/read_ends"
--- @include "bullmq/child"
--- @include "bullmq/dedup_end"
--- @include "bullmq/retention"
--- @include "bullmq/due"
--- @include "bullmq/delayed"
--- @include "bullmq/dead_letter"
local FIRST, STRIDE = 5, 15
local lane, request, keep_ms, points = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local before = replay(lane, request)
if before then return before end
local wrong, there = expect_types(ENDING, seldom_at_ends('failed'))
wrong = wrong or dead_letter_misfit()
if wrong then return wrong end
local ATTEMPT_RECORDS_MAX = 20
local call = redis.call

local codes, keys, locks = refused_batch(FIRST, STRIDE, (#ARGV - FIRST + 1) / STRIDE)
local ends, parents, wrong_parent = read_ends(codes, keys, 'priority')
if wrong_parent then return wrong_parent end
local mine = release_held(codes, locks, FIRST, STRIDE, there)
if #mine == 0 then return codes end

local function record_attempt(id, made, class, attempt, fate)
  if attempt == '' then return end
  local record = own_record(id)
  if fate ~= 'unrun' then
    call('HSET', record, 'attempt:' .. made, '{"at":' .. string.format('%.0f', now) .. ',' .. attempt)
    call('HDEL', record, 'attempt:' .. (made - ATTEMPT_RECORDS_MAX))
  end
  if fate == 'bury' or fate == 'unrun' then
    local mark = class == 'cancelled' and cancel_mark(id)
    call('HSET', record, 'reason', class, 'buried_at', now)
    if mark then note_cancelled(id, mark) end
  end
end

local meta, keeper, buried = read_meta(P), new_keeper(P .. 'failed', now), 0
local retried, delayed, last_buried = false, false, false
local function finish(i, at, id, made)
  local reason, count = ARGV[at + 4], ARGV[at + 6]
  end_dedup(meta, ends[i][2], id, now)
  -- A parent may be a run of this batch that has just failed: it takes no more of its children, and that must show.
  if parents[i] and parents[i].fpof then keeper.flush() end
  if parents[i] then child_failed(parents[i], keys[i], reason, now) end
  if count == '0' then
    if parents[i] then leave_parent(parents[i], id) end
    keeper.drop(id)
  else
    call('HSET', keys[i], 'finishedOn', now)
    call('HDEL', keys[i], 'defa')
    keeper.keep(id, count, ARGV[at + 7], ARGV[at + 8])
  end
  emit_untrimmed(P, 'failed', 'jobId', id, 'failedReason', reason, 'prev', 'active')
  if made >= tonumber(ARGV[at + 10]) then
    emit_untrimmed(P, 'retries-exhausted', 'jobId', id, 'attemptsMade', made)
  end
  buried = buried + 1
end
local function again(i, at, id, fate)
  if fate == 'delay' then
    local due = now + tonumber(ARGV[at + 3])
    call('HSET', keys[i], 'delay', ARGV[at + 3])
    push_delayed(P, id, due)
    emit(meta, 'delayed', 'jobId', id, 'delay', due)
    delayed = true
    return
  end
  local priority = number_of(ends[i][4])
  if priority > 0 then
    push_prioritized(P, id, priority)
  else
    call(ARGV[at + 9] == '1' and 'RPUSH' or 'LPUSH', target_list(meta), id)
  end
  emit(meta, 'waiting', 'jobId', id, 'prev', 'active')
  retried = true
end

trim_events(meta)
local was_active = leave_active(mine)
for i = 1, #codes do
  if codes[i] == 0 then
    local at = FIRST + (i - 1) * STRIDE
    local id, fate = ARGV[at], ARGV[at + 2]
    if not was_active[id] then
      codes[i] = -3
    elseif ends[i].err then
      bury(id, 'undecodable', 'the key of the job was replaced while it ran', now)
    else
      local made = math.floor(number_of(ends[i][3])) + (fate == 'unrun' and 0 or 1)
      -- What is due goes first: a job that is tried again at once lines up behind it.
      if fate == 'retry' and not retried then promote(meta, due_jobs(now), now) end
      call('HSET', keys[i], 'failedReason', ARGV[at + 4], 'stacktrace', ARGV[at + 5], 'atm', made)
      record_attempt(id, made, ARGV[at + 11], ARGV[at + 12], fate)
      if fate == 'bury' or fate == 'unrun' then
        if ARGV[at + 11] == 'undecodable' then set_aside(id) end
        copy_dead_letter(id, ARGV[at + 13], ARGV[at + 14], ARGV[at + 1], now)
        finish(i, at, id, made)
        last_buried = true
      else
        again(i, at, id, fate)
        last_buried = false
      end
    end
  end
end
keeper.close()
if retried then mark_ready(meta) end
if delayed then mark_delayed(P) end
count_metrics('failed', buried, points, now)
end_batch(meta, last_buried)
remember(lane, request, codes, keep_ms)
return codes
