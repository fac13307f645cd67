--- Deletes jobs of one state that are older than a cut.
-- KEYS  P, X
-- ARGV  state (completed|failed|delayed|prioritized|waiting-children|wait|active|paused), age ms, limit (0 = none),
--       cursor (position to go on from), how many the calls before deleted
-- Reply the next cursor ('' = done), then the ids that were deleted
-- Kept  a job with a lock stays whole, an iteration that a scheduler has planned stays; at most 1,000 jobs are looked at
--       in one call
-- Spec  docs/wire/bullmq.md 7.10
--- @include "keys"
--- @include "now"
--- @include "types"
--- @include "bullmq/remove"
local state, cut, limit, from = ARGV[1], now - tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local set, PAGE = P .. state, 1000
local is_list = state == 'wait' or state == 'active' or state == 'paused'
local is_finished = state == 'completed' or state == 'failed'
local wrong = expect_types(removal_types(P, {}))
if wrong then return wrong end

-- One page, oldest first. Deleting shifts what follows, so the next page starts behind what was kept.
local ids, total
if is_list then
  total = redis.call('LLEN', set)
  ids = {}
  local page = redis.call('LRANGE', set, -(from + PAGE), -(from + 1))
  for i = #page, 1, -1 do ids[#ids + 1] = page[i] end
else
  total = redis.call('ZCARD', set)
  ids = redis.call('ZRANGE', set, from, from + PAGE - 1)
end
wrong = parents_misfit(P, ids)
if wrong then return wrong end
local function time_of(id)
  if is_finished then return tonumber(redis.call('ZSCORE', set, id)) end
  local times = fields_of(P .. id, 'finishedOn', 'processedOn', 'timestamp')
  return tonumber(times[1] or times[2] or times[3] or nil)
end
local reply, kept = { '' }, 0
for _, id in ipairs(ids) do
  local full = limit > 0 and #reply > limit
  local time = time_of(id)
  if full or redis.call('EXISTS', P .. id .. ':lock') == 1 or (time and time > cut)
    or (not is_finished and is_planned(P, id)) then
    kept = kept + 1
  else
    if is_list then redis.call('LREM', set, -1, id) else redis.call('ZREM', set, id) end
    drop_job(P, id, true, not is_finished)
    reply[#reply + 1] = id
  end
end
local more = from + #ids < total and not (limit > 0 and #reply > limit)
if more then
  reply[1] = string.format('%.0f', from + kept)
else
  emit_untrimmed(P, 'cleaned', 'count', #reply - 1 + tonumber(ARGV[5] or 0))
end
return reply
