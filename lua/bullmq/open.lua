--- Opens a queue for a worker: checks the layout version of our records, and what kind of queue this is.
-- KEYS  P, X
-- ARGV  layout version of this program
-- Reply the layout version found, then 1 if the queue is BullMQ's or empty, 0 if it is Bull 4's
-- Kept  a version already there is never changed; nothing is written on a queue of the other kind
-- Spec  docs/wire/bullmq.md 1
--- @include "keys"
local mq = redis.call('TYPE', P .. 'events').ok == 'stream'
if redis.call('TYPE', P .. 'meta').ok == 'hash' then
  for _, field in ipairs(redis.call('HKEYS', P .. 'meta')) do
    if field == 'version' or string.sub(field, 1, 5) == 'opts.' then mq = true end
  end
end
-- Neither of the two, but jobs: only Bull 4 leaves a queue so. Its pause is a key that BullMQ does not have.
if redis.call('EXISTS', P .. 'meta-paused') == 1 then return { '0', 0 } end
if not mq and redis.call('EXISTS', P .. 'id', P .. 'wait', P .. 'paused', P .. 'active', P .. 'delayed',
  P .. 'completed', P .. 'failed') > 0 then
  return { '0', 0 }
end
redis.call('SETNX', X .. 'version', ARGV[1])
return { redis.call('GET', X .. 'version'), 1 }
