--- Moves one delayed job to waiting now: a person's act.
-- KEYS  P, X
-- ARGV  token, id
-- Reply 0, or -1 not delayed
-- Spec  docs/wire/bull-4.md 8.3 (job.promote)
-- Kept  a job is in exactly one place
--- @include "keys"
--- @include "types"
--- @include "bull/bring_forward"
local token, id = ARGV[1], ARGV[2]
local wrong = expect_types({ P .. 'delayed', 'zset', P .. 'wait', 'list', P .. 'paused', 'list', P .. 'priority', 'zset',
  P .. id, 'hash' })
if wrong then return wrong end
if redis.call('ZREM', P .. 'delayed', id) == 0 then return -1 end
bring_forward(id, token)
return 0
