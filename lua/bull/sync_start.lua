--- Starts a sync, once: the same key, the same id, or the same kind for the same organisation give the one that is there.
-- KEYS  P, X
-- ARGV  by, from, why, organisation ('' = none), idempotency key ('' = none), how long it holds (ms), kind, one a kind and
--       organisation 0|1; then the job as in enqueue
-- Reply 0 created, 1 there is one, 2 there is one and it goes on, 3 the id is that of a job
--       which is not this organisation's; its id, its state, paused 0|1
-- Kept  checked before anything is written; of starts at the same time one creates
-- Spec  docs/wire/bull-4.md 4, 8.3
--- @include "keys"
--- @include "now"
--- @include "bull/mending"
--- @include "bull/run_again"
--- @include "bull/bring_forward"
--- @include "bull/add"
--- @include "sync_start"
local at = 9
local function refuse_job()
  return expect_types({ P .. 'id', 'string' }) or refuse_adds(at, 11)
end
local function add()
  return add_job({ id = ARGV[at], name = ARGV[at + 1], data = ARGV[at + 2], opts_head = ARGV[at + 3],
    opts_tail = ARGV[at + 4], timestamp = ARGV[at + 5], delay = ARGV[at + 6], priority = ARGV[at + 7],
    lifo = ARGV[at + 8], deid = ARGV[at + 9], de_ttl = ARGV[at + 10] }, WHO, now)
end
return start(ARGV[at], refuse_job, add)
