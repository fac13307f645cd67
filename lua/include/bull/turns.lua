--- @include "turns"
-- What turns have to know of Bull: a job with a priority comes before all without, and stands among them in `wait`.
local FIRST_TOKEN, NO_PRIORITY, PEEKED = 8, 1048576, 50
local HIDDEN = { 'wait' }
local function claim_misfit()
  return (expect_types({ P .. 'wait', 'list', P .. 'priority', 'zset' }))
end
local function rank_of(priority)
  local rank = tonumber(priority or 0) or 0
  return rank > 0 and math.min(math.floor(rank), NO_PRIORITY - 1) or NO_PRIORITY
end
local function others_count() return 0 end
-- Those with a priority are put in between: the most urgent ones are looked at in every call.
local function index_others(batch, enter)
  local found = redis.call('ZRANGE', P .. 'priority', 0, PEEKED - 1, 'WITHSCORES')
  for i = 1, #found, 2 do
    if redis.call('HEXISTS', of, found[i]) == 0 and redis.call('EXISTS', seats) == 1 then
      local ahead = redis.call('ZCOUNT', P .. 'priority', '-inf', found[i + 1]) - 1
      local neighbour = redis.call('ZRANGE', seats, ahead, ahead, 'WITHSCORES')
      enter(batch, found[i], nil, neighbour[2] and tonumber(neighbour[2]) - 0.5 or state.high)
    end
  end
end
local function take_other() return nil end
local function put_back() return false end
local function promote_first() return true end
local function nothing_waits() return redis.call('EXISTS', P .. 'wait') == 0 end
local function is_paused() return redis.call('EXISTS', P .. 'paused') == 1 end
local function nothing(rest) return { now, rest, 0, 0 } end
