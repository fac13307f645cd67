--- Moves a running job among the parents that wait for their children, as its own handler asks.
-- KEYS  P, X
-- ARGV  id, token, key of the one child that is asked about ('' = any)
-- Reply 0 moved, 1 nothing is pending (nothing was written), or -1 no such job, -2 no lock, -3 not in active, -6 another
--       run's lock, -9 a child failed whose failure fails the parent
-- Kept  every check before the first write; a stale run changes nothing; no attempt is spent
-- Spec  docs/wire/bullmq.md 6.4
--- @include "keys"
--- @include "now"
--- @include "types"
--- @include "fence"
--- @include "bullmq/event"
local id, token, child = ARGV[1], ARGV[2], ARGV[3]
local key = P .. id
local code = refused(id, token)
if code then return code end
local wrong = expect_types({ P .. 'active', 'list', P .. 'waiting-children', 'zset', P .. 'stalled', 'set',
  P .. 'meta', 'hash', P .. 'events', 'stream', key .. ':dependencies', 'set', key .. ':unsuccessful', 'zset',
  X .. 'leases', 'set', X .. 'leases:stalled', 'hash', X .. 'suspects', 'hash' })
if wrong then return wrong end
if redis.call('ZCARD', key .. ':unsuccessful') > 0 then return -9 end
local pending = key .. ':dependencies'
if redis.call('SCARD', pending) == 0 or (child ~= '' and redis.call('SISMEMBER', pending, child) == 0) then return 1 end
redis.call('DEL', key .. ':lock')
redis.call('SREM', P .. 'stalled', id)
redis.call('SREM', X .. 'leases', id)
redis.call('HDEL', X .. 'leases:stalled', id)
redis.call('HDEL', X .. 'suspects', id)
if redis.call('LREM', P .. 'active', -1, id) == 0 then return -3 end
redis.call('ZADD', P .. 'waiting-children', now, id)
emit_untrimmed(P, 'waiting-children', 'jobId', id, 'prev', 'active')
return 0
