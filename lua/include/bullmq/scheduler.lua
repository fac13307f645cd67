--- @include "bullmq/add"
-- Job schedulers (docs/wire/bullmq.md 8): when an iteration is due, and the job that it is.
local function iteration_id(scheduler, due) return 'repeat:' .. scheduler .. ':' .. string.format('%.0f', due) end
-- The first slot of `every` ms (8.4): now, unless a beginning or a phase was asked for.
local function first_slot(every, offset, start, now)
  if start then return math.max(start, now) end
  if offset <= 0 then return now end
  local slot = math.floor(now / every) * every + offset
  return slot <= now and slot + every or slot
end
-- The slot after another; missed ones are skipped, the phase is kept.
local function slot_after(prev, every, offset, now)
  local slot = prev + every
  if slot >= now then return slot end
  slot = math.floor(now / every) * every + offset
  return slot > now and slot or slot + every
end
-- Adds an iteration. `job`: name, data, priority, lifo, and opts_head, the text of its options up to the time in its own
-- id; what depends on the time comes behind.
local function add_iteration(meta, scheduler, due, is_cron, job, now)
  local id, delay = iteration_id(scheduler, due), math.max(0, due - now)
  local at, ms = string.format('%.0f', now), string.format('%.0f', due)
  redis.call('INCR', meta.base .. 'id')
  job.opts = job.opts_head .. ms .. '","delay":' .. string.format('%.0f', delay) .. ',"timestamp":' .. at
    .. (is_cron and ',"prevMillis":' .. ms or '') .. '}'
  job.timestamp, job.delay, job.rjk = at, string.format('%.0f', delay), scheduler
  write_job(meta, id, job)
  place_job(meta, id, job)
  settle(meta)
  return id, delay
end
