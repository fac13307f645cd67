--- Cancels jobs: one that no run holds fails at once and for good; the run of another is told.
-- KEYS  P, X
-- ARGV  cancel|kill (no grace for the run), by whom, from where, why; then the ids
-- Reply for each id: 1 cancelled, 2 its run is told, 3 marked, but a worker of another kind runs it, 4 was told before;
--       0 no such job, -1 completed, -2 failed, -3 cancelled before, -4 in no state, -8 the next occurrence of a repeatable
-- Kept  a job that runs stays where it is: its run ends it, or whoever finds that run dead; the same sent twice changes
--       nothing; a chain of repeatables is never broken; every act is in the audit
-- Spec  docs/wire/bull-4.md 8.2, 12.1
--- @include "keys"
--- @include "now"
--- @include "types"
--- @include "bull/remove"
--- @include "bull/cancelled"
local CANCELLING = { X .. 'cancel', 'stream', X .. 'audit', 'stream', P .. 'stalled', 'set', X .. 'leases:stalled', 'hash',
  P .. 'repeat', 'zset', P .. 'metrics:failed', 'hash', unpack(REMOVAL) }
local function planned(id)
  local due = string.match(id, '^repeat:.+:(%d+)$')
  return due and redis.call('ZCOUNT', P .. 'repeat', due, due) > 0
end
local function leave_place(id)
  local was
  local function left(n, state)
    if n > 0 then was = was or state end
  end
  left(redis.call('LREM', P .. 'active', 0, id), 'active')
  left(redis.call('ZREM', P .. 'delayed', id), 'delayed')
  left(redis.call('LREM', P .. 'wait', 0, id), 'waiting')
  left(redis.call('LREM', P .. 'paused', 0, id), 'paused')
  redis.call('ZREM', P .. 'priority', id)
  forget_limiter(id)
  redis.call('SREM', P .. 'stalled', id)
  redis.call('SREM', X .. 'leases', id)
  redis.call('HDEL', X .. 'leases:stalled', id)
  return was
end
local function carry_out(id, mark) end_cancelled(id, mark) end
--- @include "cancel"
