--- Pauses or resumes the queue for all workers.
-- KEYS  P, X
-- ARGV  pause 0|1
-- Reply 1 changed, 0 was so already
-- Kept  ids that stand in both lists are kept: the older list goes to the consumer end (5.x renames over them, 15.1)
-- Spec  docs/wire/bullmq.md 7.7
--- @include "keys"
--- @include "types"
--- @include "bullmq/event"
--- @include "bullmq/marker"
local wait, paused = P .. 'wait', P .. 'paused'
local wrong = expect_types({ wait, 'list', paused, 'list', P .. 'meta', 'hash', P .. 'marker', 'zset',
  P .. 'events', 'stream', P .. 'prioritized', 'zset', P .. 'delayed', 'zset', P .. 'active', 'list' })
if wrong then return wrong end
local meta = read_meta(P)
local pause, was = ARGV[1] == '1', meta.paused
-- All of `from` to one end of `to`, in order.
local function move(from, to, push, backwards)
  if redis.call('EXISTS', from) == 0 then return end
  if redis.call('EXISTS', to) == 0 then return redis.call('RENAME', from, to) end
  local ids, STEP = redis.call('LRANGE', from, 0, -1), 1000
  for first = 1, #ids, STEP do
    local page = {}
    for i = first, math.min(first + STEP - 1, #ids) do page[#page + 1] = ids[backwards and #ids + 1 - i or i] end
    redis.call(push, to, unpack(page))
  end
  redis.call('DEL', from)
end
if pause then
  if meta.five then move(wait, paused, 'LPUSH', true) end
  redis.call('HSET', P .. 'meta', 'paused', 1)
  redis.call('DEL', P .. 'marker')
  emit_untrimmed(meta.base, 'paused')
else
  move(paused, wait, 'RPUSH')
  redis.call('HDEL', P .. 'meta', 'paused')
  meta.paused = false
  if redis.call('EXISTS', wait, P .. 'prioritized') > 0 then mark_ready(meta) else mark_delayed(meta.base) end
  emit_untrimmed(meta.base, 'resumed')
end
return was == pause and 0 or 1
