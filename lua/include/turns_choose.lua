--- @include "turns_index"
--- @include "turns_running"
-- Chooses the jobs whose turn it is and takes them out of where they wait; the claim that follows sees them alone.
local suspected = X .. 'suspects'
-- A group that waits for a run to end is looked at again after so long even if nobody told of an end; one that waits for
-- its suspects' turn likewise. So long at most rests whoever found nothing to take.
local GUARD_MS, SUSPECTS_MS, REST_MS_MAX = 30000, 250, 100
-- A job that begins up to so much later than its rate allowed counts as if it were on time, and a later one as if it had begun
-- so much earlier: who looks late must not slow it down.
local LATE_MS_MAX = 50
local KEYS_MOST, SUSPECTS_MOST = 50, 20
-- An id is looked for this far from where it should be; one this near to an end of the list is taken out in place.
local DRIFT_MOST, NEAR = 150, 500
local pending, keys_known, searches = {}, {}, 1

-- The keys that a group counts under, each with its limit.
local function keys_of(group)
  if keys_known[group] then return keys_known[group] end
  local parts, keys = cjson.decode(group), {}
  for i = 2, #parts, 2 do
    local limit = conf.by_label[parts[i]]
    if limit then keys[#keys + 1] = { name = parts[i] .. '=' .. parts[i + 1], limit = limit } end
  end
  keys_known[group] = keys
  return keys
end
-- The key without room for one more of this group, and when there may be some, ms.
local function blocked_by(group)
  for _, key in ipairs(keys_of(group)) do
    local limit, name = key.limit, key.name
    if limit.running and count_of(name) + (pending[name] or 0) >= limit.running then
      clear_ended()
      if count_of(name) + (pending[name] or 0) >= limit.running then return name, now + GUARD_MS end
    end
    if limit.max then
      local begun = pending[name] or 0
      if begun >= limit.max then return name, now + limit.per end
      local oldest = tonumber(redis.call('LINDEX', T .. 'rate:' .. name, begun - limit.max))
      if oldest and oldest + limit.per > now then return name, oldest + limit.per end
    end
  end
end
local function hold_group(row, group, key, at)
  local first = redis.call('ZRANGE', line_of(group), 0, 0, 'WITHSCORES')
  redis.call('ZREM', T .. 'org:' .. row, group)
  redis.call('HSET', holds, group, key)
  redis.call('ZADD', T .. 'held:' .. key, first[2], group)
  redis.call('ZADD', held, at, key)
end
local function look_again()
  for _, name in ipairs(redis.call('ZRANGEBYSCORE', held, '-inf', now, 'LIMIT', 0, KEYS_MOST)) do let_go(name) end
end
-- Where an id stands in `wait`, from the consumer end (0 = next); nil = nowhere; false = not looked for any more.
local function place_of(id)
  local rank = redis.call('ZRANK', seats, id)
  if redis.call('LINDEX', wait, -rank - 1) == id then return rank end
  local nearest = math.max(rank - DRIFT_MOST, 0)
  local around = redis.call('LRANGE', wait, -rank - 1 - DRIFT_MOST, -nearest - 1)
  for i = #around, 1, -1 do
    if around[i] == id then return nearest + #around - i end
  end
  if redis.call('EXISTS', P .. id) == 0 or redis.call('EXISTS', P .. id .. ':lock') == 1 then return nil end
  for _, set in ipairs({ 'completed', 'failed', 'delayed' }) do
    if redis.call('ZSCORE', P .. set, id) then return nil end
  end
  if searches < 1 then return false end
  searches = searches - 1
  local index = redis.call('LPOS', wait, id, 'RANK', -1)
  return index and redis.call('LLEN', wait) - index - 1 or nil
end
-- Takes an id out of `wait`. From the middle of a long list nothing can be taken without going through it: there the id
-- of the consumer end takes its seat.
local function take_from_list(id)
  local place = place_of(id)
  if not place then return place end
  if place < NEAR then
    redis.call('LREM', wait, -1, id)
  elseif redis.call('LLEN', wait) - place < NEAR then
    redis.call('LREM', wait, 1, id)
  else
    local last = redis.call('RPOP', wait)
    -- One less at the right: the same place is one nearer to it.
    redis.call('LSET', wait, -place, last)
    local seat = redis.call('ZSCORE', seats, last) and redis.call('ZSCORE', seats, id)
    if seat then redis.call('ZADD', seats, seat, last) end
  end
  return true
end
-- True = taken; nil = it waits no longer; false = not looked for any more.
local function take_from(id)
  if redis.call('ZSCORE', seats, id) then return take_from_list(id) end
  return take_other(id)
end
-- After one death of its worker a job runs as before.
local function runs_alone(id) return (redis.call('HGET', suspected, id) or '1') ~= '1' end
-- The next id of a line that may be taken now, its score, and whether it is a suspect; nil = there are only suspects.
local function next_of(group, may_take_suspect)
  local any = redis.call('EXISTS', suspected) == 1
  local first = redis.call('ZRANGE', line_of(group), 0, any and SUSPECTS_MOST - 1 or 0, 'WITHSCORES')
  for i = 1, #first, 2 do
    local is_one = any and runs_alone(first[i])
    if may_take_suspect or not is_one then return first[i], first[i + 1], is_one end
  end
end
-- When a job that begins now counts as begun; `begun` others of its key did so in this call.
local function allowed_at(name, limit, begun)
  local oldest = tonumber(redis.call('LINDEX', T .. 'rate:' .. name, begun - limit.max))
  return oldest and math.max(oldest + limit.per, now - math.min(LATE_MS_MAX, math.floor(limit.per / 2))) or now
end
-- Counts a chosen job under its keys; returns the times that rates count it at.
local function count_in(group)
  local times = {}
  for _, key in ipairs(keys_of(group)) do
    local begun = pending[key.name] or 0
    if key.limit.max then times[key.name] = allowed_at(key.name, key.limit, begun) end
    pending[key.name] = begun + 1
  end
  return times
end
-- Up to `wanted` jobs, and how long to rest if there are fewer, ms.
local function choose(wanted, may_take_suspect)
  local chosen, budget = {}, 200 + 2 * wanted
  if redis.call('EXISTS', held) == 1 then
    clear_ended()
    look_again()
  end
  while #chosen < wanted and budget > 0 do
    budget = budget - 1
    local row = redis.call('ZRANGE', orgs, 0, 0)[1]
    if not row then break end
    local group = redis.call('ZRANGE', T .. 'org:' .. row, 0, 0)[1]
    local key, at
    if group then key, at = blocked_by(group) end
    local id, score, is_suspect
    if group and not key then
      id, score, is_suspect = next_of(group, may_take_suspect)
      if not id and redis.call('EXISTS', line_of(group)) == 1 then key, at = 'suspects', now + SUSPECTS_MS end
    end
    if not group then
      redis.call('ZREM', orgs, row)
    elseif key then
      hold_group(row, group, key, at)
    elseif not id then
      offer(group)
    else
      local taken = take_from(id)
      if taken == false then
        budget = 0 -- one long search a call
      else
        forget_entry(id, group)
        offer(group)
      end
      if taken then
        chosen[#chosen + 1] = { id = id, group = group, score = score, times = count_in(group) }
        if is_suspect then may_take_suspect = false end
        chosen.suspect = chosen.suspect or is_suspect
        if conf.fair then
          state.turn = state.turn + 1
          redis.call('ZADD', orgs, 'XX', state.turn, row)
        end
      end
    end
  end
  local next_at = redis.call('ZRANGE', held, 0, 0, 'WITHSCORES')[2]
  local rest = (budget < 1 or behind() > 0) and 1 or next_at and tonumber(next_at) - now or REST_MS_MAX
  return chosen, math.max(1, math.min(rest, REST_MS_MAX))
end
