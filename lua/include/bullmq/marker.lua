--- @include "bullmq/meta"
-- The wake-up tokens of a queue (docs/wire/bullmq.md 4.2). "0": something may be claimed now.
local function mark_ready(meta)
  if not meta.paused and not is_maxed(meta) then redis.call('ZADD', meta.base .. 'marker', 0, '0') end
end
-- "1": sleep until the first delayed job is due. To be called after whatever inserts into `delayed`, paused or not.
local function mark_delayed(base)
  local first = redis.call('ZRANGE', base .. 'delayed', 0, 0, 'WITHSCORES')
  if first[2] then redis.call('ZADD', base .. 'marker', tonumber(first[2]) / 4096, '1') end
end
