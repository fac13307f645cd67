--- Deletes dead letters, with all that belongs to them.
-- KEYS  P, X
-- ARGV  operation ('' = none), only what failed up to this time (ms, '' = any), most jobs of the operation in all ('' = any), by,
--       from, why; then the ids
-- Reply for each job: 1 deleted, 0 no such job, -1 it runs, -2 not failed (any more), -7 the operation is over,
--       or has done as many as it may
-- Kept  a job that somebody has put back to waiting stays; an operation counts what it has done in the same script
-- Spec  docs/wire/bull-4.md 12.1
--- @include "keys"
--- @include "types"
--- @include "bull/remove"
--- @include "purge"
local wrong = expect_types(REMOVAL) or expect_types({ X .. 'ops', 'hash', X .. 'audit', 'stream' })
if wrong then return wrong end
function take_out(id)
  remove_job(id, true)
end
return purge_jobs()
