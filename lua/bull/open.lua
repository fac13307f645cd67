--- Opens a queue for a worker: checks the layout version of our records, and what kind of queue this is.
-- KEYS  P, X
-- ARGV  layout version of this program
-- Reply the layout version found, then 1 if the keys are BullMQ's, else 0
-- Kept  a version already there is never changed; nothing is written on a queue of the other kind
-- Spec  docs/wire/bull-4.md 12.3 (Bull's own pause writes `meta` too)
--- @include "keys"
local mq = redis.call('TYPE', P .. 'events').ok == 'stream'
if redis.call('TYPE', P .. 'meta').ok == 'hash' then
  for _, field in ipairs(redis.call('HKEYS', P .. 'meta')) do
    if field == 'version' or string.sub(field, 1, 5) == 'opts.' then mq = true end
  end
end
if mq then return { '0', 1 } end
redis.call('SETNX', X .. 'version', ARGV[1])
return { redis.call('GET', X .. 'version'), 0 }
