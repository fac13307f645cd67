--- Gives a job another priority; one that waits moves to its new place.
-- KEYS  P, X
-- ARGV  id, priority (0 = none), lifo 0|1: ahead of those of its priority
-- Reply 0, or -1 no such job
-- Kept  a job is in exactly one place; one that does not wait just gets the field
-- Spec  docs/wire/bullmq.md 7.2
--- @include "keys"
--- @include "types"
--- @include "bullmq/waiting"
--- @include "bullmq/marker"
local id, priority, lifo = ARGV[1], tonumber(ARGV[2]), ARGV[3] == '1'
local wrong = expect_types({ P .. 'prioritized', 'zset', P .. 'wait', 'list', P .. 'paused', 'list',
  P .. 'active', 'list', P .. 'meta', 'hash', P .. 'marker', 'zset', P .. id, 'hash' })
if wrong then return wrong end
if redis.call('EXISTS', P .. id) == 0 then return -1 end
local meta = read_meta(P)
if redis.call('ZREM', P .. 'prioritized', id) == 1 or redis.call('LREM', P .. 'wait', -1, id) == 1
  or redis.call('LREM', P .. 'paused', -1, id) == 1 then
  if priority > 0 and lifo then
    redis.call('ZADD', P .. 'prioritized', priority * 4294967296, id)
  else
    put_waiting(meta, id, priority, lifo)
    mark_ready(meta)
  end
end
redis.call('HSET', P .. id, 'priority', priority)
return 0
