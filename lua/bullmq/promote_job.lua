--- Moves one delayed job to waiting now: a person's act.
-- KEYS  P, X
-- ARGV  token, id
-- Reply 0, or -1 not delayed
-- Kept  a job is in exactly one place
-- Spec  docs/wire/bullmq.md 7.1
--- @include "keys"
--- @include "types"
--- @include "bullmq/bring_forward"
local id = ARGV[2]
local wrong = expect_types({ P .. 'delayed', 'zset', P .. 'wait', 'list', P .. 'paused', 'list', P .. 'active', 'list',
  P .. 'prioritized', 'zset', P .. 'meta', 'hash', P .. 'marker', 'zset', P .. 'events', 'stream', P .. id, 'hash' })
if wrong then return wrong end
if redis.call('ZREM', P .. 'delayed', id) == 0 then return -1 end
bring_forward(id)
return 0
