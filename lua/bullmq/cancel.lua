--- Cancels jobs: one that no run holds fails at once and for good; the run of another is told.
-- KEYS  P, X
-- ARGV  cancel|kill (no grace for the run), by whom, from where, why; then the ids
-- Reply for each id: 1 cancelled, 2 its run is told, 3 marked, but a worker of another kind runs it, 4 was told before;
--       0 no such job, -1 completed, -2 failed, -3 cancelled before, -4 in no state, -8 a scheduler has planned it
-- Kept  a job that runs stays where it is: its run ends it, or whoever finds that run dead; the same sent twice changes
--       nothing; a scheduler's chain is never broken; its parent learns of it as of a failure; every act is in the audit
-- Spec  docs/wire/bullmq.md 6.1, 7.8, 9.2
--- @include "keys"
--- @include "now"
--- @include "types"
--- @include "bullmq/remove"
--- @include "bullmq/cancelled"
local CANCELLING = removal_types(P, { X .. 'cancel', 'stream', X .. 'audit', 'stream', P .. 'stalled', 'set',
  X .. 'leases:stalled', 'hash', P .. 'metrics:failed', 'hash', P .. 'id', 'string', P .. 'pc', 'string' })
local meta
local function planned(id) return is_planned(P, id) end
local function leave_place(id)
  local was = leave_state(P, id)
  if was == 'unknown' then return nil end
  redis.call('SREM', P .. 'stalled', id)
  redis.call('SREM', X .. 'leases', id)
  redis.call('HDEL', X .. 'leases:stalled', id)
  return was == 'wait' and 'waiting' or was
end
local function carry_out(id, mark, was)
  meta = meta or read_meta(P)
  end_cancelled(meta, id, mark, was)
end
--- @include "cancel"
