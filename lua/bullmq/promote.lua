--- Moves delayed jobs that are due to waiting.
-- KEYS  P, X
-- ARGV  token (of no use here), most jobs in this call
-- Reply how many were moved, then ms until the next one is due ('' = none is delayed), and when that is, ms
-- Kept  never early by Redis' clock; an id without a job is buried, not made a ghost
-- Spec  docs/wire/bullmq.md 4.1
--- @include "keys"
--- @include "now"
--- @include "types"
--- @include "bullmq/meta"
--- @include "bullmq/due"
local wrong = expect_types({ P .. 'delayed', 'zset', P .. 'wait', 'list', P .. 'paused', 'list', P .. 'active', 'list',
  P .. 'prioritized', 'zset', P .. 'pc', 'string', P .. 'marker', 'zset', P .. 'meta', 'hash', P .. 'events', 'stream',
  P .. 'failed', 'zset' })
if wrong then return wrong end
local ids = due_jobs(now, ARGV[2])
if #ids > 0 then promote(read_meta(P), ids, now) end
local planned = next_due()
if not planned then return { #ids, '', '' } end
return { #ids, string.format('%.0f', math.min(math.max(planned - now, 0), 1e15)),
  string.format('%.0f', math.min(planned, 1e16)) }
