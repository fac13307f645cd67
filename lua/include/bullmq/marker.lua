--- @include "bullmq/meta"
-- The wake-up tokens of a queue (docs/wire/bullmq.md 4.2). "0": something may be claimed now.
local function wake(meta)
  if not meta.paused and not is_maxed(meta) then redis.call('ZADD', meta.base .. 'marker', 0, '0') end
end
-- "1": sleep until the first delayed job is due. To be called after whatever inserts into `delayed`, paused or not.
local function wake_when_due(meta)
  local first = redis.call('ZRANGE', meta.base .. 'delayed', 0, 0, 'WITHSCORES')
  if first[2] then redis.call('ZADD', meta.base .. 'marker', tonumber(first[2]) / 4096, '1') end
end
