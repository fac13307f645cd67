--- Registers a repeatable job or its next occurrence, and adds the occurrence.
-- KEYS  P, X
-- ARGV  token, id of the claimed occurrence whose successor this is ('' = a first one), repeat key, due ms; then one job
--       as in enqueue (id, name, data, opts_head, opts_tail, timestamp, delay, priority, lifo, debounce id, ttl)
-- Reply id, 0 added | 1 existed; or an empty list: the repeatable was removed, or the token does not hold the occurrence
-- Kept  registration and occurrence in one step (in Bull they are three, and a crash between loses the chain); the id of
--       an occurrence is made of its due time, so that scheduling twice adds once
-- Spec  docs/wire/bull-4.md 11.4
--- @include "keys"
--- @include "now"
--- @include "types"
--- @include "bull/add"
local wrong = expect_types({ P .. 'repeat', 'zset', P .. 'id', 'string', P .. 'wait', 'list', P .. 'paused', 'list',
  P .. 'delayed', 'zset', P .. 'priority', 'zset' })
wrong = wrong or refuse_adds(5, 11)
if wrong then return wrong end
if ARGV[2] ~= '' then
  if redis.call('MGET', P .. ARGV[2] .. ':lock')[1] ~= ARGV[1] then return {} end
  if not redis.call('ZSCORE', P .. 'repeat', ARGV[3]) then return {} end
end
redis.call('ZADD', P .. 'repeat', ARGV[4], ARGV[3])
local id, existed = add_job({ id = ARGV[5], name = ARGV[6], data = ARGV[7], opts_head = ARGV[8], opts_tail = ARGV[9],
  timestamp = ARGV[10], delay = ARGV[11], priority = ARGV[12], lifo = ARGV[13], deid = ARGV[14], de_ttl = ARGV[15] },
  ARGV[1], now)
return { id, existed }
