--- Deletes dead letters, with all that belongs to them; jobs below them stay.
-- KEYS  P, X
-- ARGV  operation ('' = none), only what failed up to this time (ms, '' = any), most jobs of the operation in all ('' = any), by,
--       from, why; then the ids
-- Reply for each job: 1 deleted, 0 no such job, -1 it runs, -2 not failed (any more), -7 the operation is over,
--       or has done as many as it may
-- Kept  a job that somebody has put back to waiting stays; an operation counts what it has done in the same script
-- Spec  docs/wire/bullmq.md 7.8
--- @include "keys"
--- @include "types"
--- @include "bullmq/tree"
--- @include "purge"
local nodes = {}
for at = FIRST, #ARGV do nodes[#nodes + 1] = { base = P, id = ARGV[at], key = P .. ARGV[at] } end
local wrong = tree_misfit(nodes) or expect_types({ X .. 'ops', 'hash', X .. 'audit', 'stream' })
if wrong then return wrong end
function take_out(id)
  remove_tree({ { base = P, id = id, key = P .. id } })
end
return purge_jobs()
