--- Deletes jobs of one state that are older than a cut.
-- KEYS  P, X
-- ARGV  state (completed|failed|delayed|wait|active|paused), age ms, limit (0 = none), cursor (position to go on from)
-- Reply the next cursor ('' = done), then the ids that were deleted
-- Kept  a job with a lock stays whole; at most 1,000 jobs are looked at in one call
-- Spec  docs/wire/bull-4.md 12.4
--- @include "keys"
--- @include "now"
--- @include "types"
--- @include "bull/remove"
local state, cut, limit, from = ARGV[1], now - tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local set, PAGE = P .. state, 1000
local is_zset = state == 'completed' or state == 'failed' or state == 'delayed'
local wrong = expect_types(REMOVAL)
if wrong then return wrong end

-- One page, oldest first. Deleting shifts what follows, so the next page starts behind what was kept.
local ids, total
if is_zset then
  total = redis.call('ZCARD', set)
  ids = redis.call('ZRANGE', set, from, from + PAGE - 1)
else
  total = redis.call('LLEN', set)
  ids = {}
  local page = redis.call('LRANGE', set, -(from + PAGE), -(from + 1))
  for i = #page, 1, -1 do ids[#ids + 1] = page[i] end
end
local function time_of(id)
  if redis.call('TYPE', P .. id).ok ~= 'hash' then return nil end
  local times = redis.call('HMGET', P .. id, 'finishedOn', 'processedOn', 'timestamp')
  return tonumber(times[1] or times[2] or times[3])
end
local reply, kept = { '' }, 0
for _, id in ipairs(ids) do
  local time = time_of(id)
  local full = limit > 0 and #reply > limit
  if full or redis.call('EXISTS', P .. id .. ':lock') == 1 or (time and time >= cut) then
    kept = kept + 1
  else
    remove_job(id, state ~= 'completed' and state ~= 'failed')
    reply[#reply + 1] = id
  end
end
local more = from + #ids < total and not (limit > 0 and #reply > limit)
if more then reply[1] = string.format('%.0f', from + kept) end
return reply
