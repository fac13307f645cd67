--- Starts a sync, once: the same key, the same id, or the same kind for the same organisation give the one that is there.
-- KEYS  P, X
-- ARGV  by, from, why, organisation ('' = none), idempotency key ('' = none), how long it holds (ms), kind, one a kind and
--       organisation 0|1; then the job as in enqueue
-- Reply 0 created, 1 there is one, 2 there is one and it goes on, 3 the id is that of a job
--       which is not this organisation's; its id, its state, paused 0|1
-- Kept  checked before anything is written; of starts at the same time one creates
-- Spec  docs/wire/bullmq.md 3, 7.5
--- @include "keys"
--- @include "now"
--- @include "bullmq/mending"
--- @include "bullmq/run_again"
--- @include "bullmq/bring_forward"
--- @include "bullmq/add"
--- @include "sync_start"
local job = read_job(9, now)
local function refuse_job() return refuse_adds(P, { job }) end
local function add()
  local meta = read_meta(P)
  local id, existed = add_job(meta, job, now)
  settle(meta)
  return id, existed
end
return start(job.asked_id, refuse_job, add)
