--- @include "bullmq/meta"
-- Appends to the event log of the queue at `base` (docs/wire/bullmq.md 10.1): kind, then names and texts.
local function emit_untrimmed(base, kind, ...)
  redis.call('XADD', base .. 'events', '*', 'event', kind, ...)
end
-- How long the log may grow, about. Whoever needs it and finds it missing writes the default.
local function events_kept(meta)
  if not meta.events_kept then
    redis.call('HSET', meta.base .. 'meta', 'opts.maxLenEvents', 10000)
    meta.events_kept = '10000'
  end
  -- What is no length would be refused half-way.
  return string.match(meta.events_kept, '^%d+$') and #meta.events_kept < 16 and meta.events_kept or '10000'
end
-- The same for the queue that `meta` describes, and trims.
local function emit(meta, kind, ...)
  redis.call('XADD', meta.base .. 'events', 'MAXLEN', '~', events_kept(meta), '*', 'event', kind, ...)
end
local function trim_events(meta)
  redis.call('XTRIM', meta.base .. 'events', 'MAXLEN', '~', events_kept(meta))
end
