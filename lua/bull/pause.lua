--- Pauses or resumes the queue for all workers.
-- KEYS  P, X
-- ARGV  pause 0|1
-- Reply 1 changed, 0 was so already
-- Kept  ids that stand in both lists are kept: the older list goes to the consumer end (Bull's RENAME loses them, Q3)
-- Spec  docs/wire/bull-4.md 12.3
--- @include "keys"
--- @include "types"
local wait, paused = P .. 'wait', P .. 'paused'
local wrong = expect_types({ wait, 'list', paused, 'list', P .. 'meta', 'hash' })
if wrong then return wrong end
local pause = ARGV[1] == '1'
local from, to = wait, paused
if not pause then from, to = paused, wait end
local was = redis.call('EXISTS', P .. 'meta-paused') == 1
if redis.call('EXISTS', from) == 1 then
  if redis.call('EXISTS', to) == 0 then
    redis.call('RENAME', from, to)
  else
    for _ = 1, redis.call('LLEN', from) do redis.call('LMOVE', from, to, 'RIGHT', 'LEFT') end
  end
end
if pause then
  redis.call('SET', P .. 'meta-paused', 1)
  redis.call('HSET', P .. 'meta', 'paused', 1)
  redis.call('PUBLISH', paused, 'paused')
else
  redis.call('DEL', P .. 'meta-paused')
  redis.call('HDEL', P .. 'meta', 'paused')
  redis.call('PUBLISH', P .. 'resumed', 'resumed')
end
return was == pause and 0 or 1
