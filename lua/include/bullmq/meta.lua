--- @include "number"
-- What `meta` of a queue says, read in one command (docs/wire/bullmq.md 1.1). `base` is P, or the same of a parent's queue.
-- A queue whose version says 5 or less is one that 5.x libraries pause their own way (15.1).
local function read_meta(base)
  local found = redis.call('HMGET', base .. 'meta', 'paused', 'concurrency', 'max', 'duration', 'version',
    'opts.maxLenEvents')
  local major = found[5] and tonumber(string.match(found[5], '^[^:]*:(%d+)'))
  return { base = base, paused = found[1] and true or false, concurrency = tonumber(found[2]), max = tonumber(found[3]),
    duration = tonumber(found[4]), five = (major or 6) <= 5, events_kept = found[6] }
end
-- All slots that the queue has over all its workers are taken.
local function is_maxed(meta)
  return meta.concurrency ~= nil and redis.call('LLEN', meta.base .. 'active') >= meta.concurrency
end
