--- Removes a repeatable job and its delayed occurrence.
-- KEYS  P, X
-- ARGV  repeat key, occurrence id without its due time
-- Reply 1 removed, 0 was not registered
-- Kept  an occurrence that waits or runs already is left alone; it will schedule no successor
-- Spec  docs/wire/bull-4.md 11.5
--- @include "keys"
--- @include "types"
local wrong = expect_types({ P .. 'repeat', 'zset', P .. 'delayed', 'zset' })
if wrong then return wrong end
local due = redis.call('ZSCORE', P .. 'repeat', ARGV[1])
if not due then return 0 end
local id = ARGV[2] .. string.format('%.0f', tonumber(due))
if redis.call('ZREM', P .. 'delayed', id) == 1 then redis.call('DEL', P .. id) end
redis.call('ZREM', P .. 'repeat', ARGV[1])
return 1
