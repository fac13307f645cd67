--- @include "turns"
-- Puts waiting jobs into the index, a bounded number at a time. The dialect's fragment comes before: `rank_of`,
-- `others_count` and `index_others` know of jobs that do not wait in the order in which they came.
local wait = P .. 'wait'
-- Of one call, so that it takes no longer than 5 ms; the first one counts whatever its size.
local READ_BYTES_MAX, ARRIVALS_MOST = 1048576, 200
local function new_batch()
  return { n = 0, bytes = 0, of = {}, seats = {}, lines = {}, seen = {} }
end
local function is_full(batch, most) return batch.n >= most or batch.bytes >= READ_BYTES_MAX end
-- `place` = its score in the line as it is; else its rank and seat make it. `seat` = its place in `wait`.
local function enter(batch, id, rank, seat, place)
  if batch.seen[id] then return end
  batch.seen[id] = true
  local group, priority, bytes = group_of(id)
  batch.n, batch.bytes = batch.n + 1, batch.bytes + bytes
  local line = batch.lines[group] or {}
  batch.lines[group] = line
  line[#line + 1] = string.format('%.17g', place or (rank or rank_of(priority)) * RANK_STEP + seat)
  line[#line + 1] = id
  batch.of[#batch.of + 1] = id
  batch.of[#batch.of + 1] = group
  if seat then
    batch.seats[#batch.seats + 1] = string.format('%.17g', seat)
    batch.seats[#batch.seats + 1] = id
  end
end
local function write_batch(batch)
  if batch.n == 0 then return end
  redis.call('HSET', of, unpack(batch.of))
  if #batch.seats > 0 then redis.call('ZADD', seats, unpack(batch.seats)) end
  for group, line in pairs(batch.lines) do
    redis.call('ZADD', line_of(group), unpack(line))
    redis.call('SADD', groups, group)
    offer(group)
  end
end
local function known_among(ids) return #ids > 0 and redis.call('HMGET', of, unpack(ids)) or {} end
-- What came to the consumer end: given back, recovered, lifo. The last one is first.
local function index_tail(batch)
  local last = redis.call('LINDEX', wait, -1)
  if not last or redis.call('HEXISTS', of, last) == 1 or redis.call('EXISTS', seats) == 0 then return end
  local ids = redis.call('LRANGE', wait, -ARRIVALS_MOST, -1)
  local known, first = known_among(ids), 1
  for i = #ids, 1, -1 do
    if known[i] then
      first = i + 1
      break
    end
  end
  for i = first, #ids do
    state.low = state.low - 1
    enter(batch, ids[i], 0, state.low)
  end
end
-- What came to the producers' end since, oldest first: all that is left of as many ids as are known.
local function index_head(batch, most)
  local right = redis.call('LLEN', wait) - redis.call('ZCARD', seats) - #batch.seats / 2 - 1
  -- More are known than there are: somebody removed some. The known ones begin further to the right, then.
  for _ = 1, 5 do
    local ids = redis.call('LRANGE', wait, math.max(right + 1, 0), math.max(right, -1) + ARRIVALS_MOST)
    local known, unknown = known_among(ids), 0
    while unknown < #ids and not known[unknown + 1] and not batch.seen[ids[unknown + 1]] do unknown = unknown + 1 end
    right = math.max(right, -1) + unknown
    if unknown < #ids or #ids == 0 then break end
  end
  while right >= 0 and not is_full(batch, most) do
    local left = math.max(0, right - (most - batch.n) + 1)
    local ids = redis.call('LRANGE', wait, left, right)
    local known = known_among(ids)
    for i = #ids, 1, -1 do
      if not known[i] and not batch.seen[ids[i]] then
        if is_full(batch, most) then return end
        state.high = state.high + 1
        enter(batch, ids[i], nil, state.high)
      end
    end
    if #ids == 0 then return end
    right = left - 1
  end
end
-- What nobody would expect there: put between others. One stretch of the list a call, from the consumer end.
local function sweep(batch, most)
  local length = redis.call('LLEN', wait)
  if state.list >= length then state.list = 0 end
  local ids = redis.call('LRANGE', wait, math.max(0, length - state.list - most), length - state.list - 1)
  state.list = state.list + #ids
  local known, seat = known_among(ids), state.low
  for i = #ids, 1, -1 do
    if known[i] then
      seat = tonumber(redis.call('ZSCORE', seats, ids[i]) or seat)
    elseif not is_full(batch, most) then
      enter(batch, ids[i], nil, seat + 0.5)
    end
  end
end
-- How many wait that are not in the index; fewer where it has entries of jobs that wait no longer.
local function behind()
  return redis.call('LLEN', wait) + others_count() - redis.call('HLEN', of)
end
local function index_new(most, sweeps)
  local batch = new_batch()
  index_tail(batch)
  index_others(batch, enter, most, sweeps)
  index_head(batch, most)
  if sweeps then sweep(batch, most) end
  write_batch(batch)
  return batch.n
end
