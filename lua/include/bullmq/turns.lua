--- @include "turns"
--- @include "bullmq/meta"
--- @include "bullmq/due"
-- What turns have to know of BullMQ: jobs with a priority wait in a set of their own, whose scores are those of lines.
local FIRST_TOKEN, PEEKED = 7, 50
local HIDDEN = { 'wait', 'prioritized', 'pc' }
local prioritized = P .. 'prioritized'
local function claim_misfit()
  return (expect_types({ P .. 'wait', 'list', prioritized, 'zset', P .. 'pc', 'string', P .. 'delayed', 'zset',
    P .. 'meta', 'hash', P .. 'events', 'stream', P .. 'marker', 'zset', P .. 'active', 'list', P .. 'failed', 'zset',
    P .. 'paused', 'list' }))
end
local function rank_of() return 0 end
local function others_count() return redis.call('ZCARD', prioritized) end
local function index_set(batch, enter, first, last)
  local found = redis.call('ZRANGE', prioritized, first, last, 'WITHSCORES')
  for i = 1, #found, 2 do
    if redis.call('HEXISTS', of, found[i]) == 0 then enter(batch, found[i], nil, nil, tonumber(found[i + 1])) end
  end
  return #found / 2
end
-- The most urgent ones are looked at in every call; the others some at a time.
local function index_others(batch, enter, most, sweeps)
  if redis.call('EXISTS', prioritized) == 0 then return end
  index_set(batch, enter, 0, PEEKED - 1)
  if sweeps then
    local seen = index_set(batch, enter, state.set, state.set + most - 1)
    state.set = seen == most and state.set + most or 0
  end
end
local function take_other(id)
  return redis.call('ZREM', prioritized, id) == 1 or nil
end
local function put_back(id, score)
  if tonumber(score) < RANK_STEP then return false end
  redis.call('ZADD', prioritized, score, id)
  return true
end
local function promote_first()
  local due = due_jobs(now)
  promote(read_meta(P), due, now)
  return #due < DUE_MOST
end
local function is_paused() return redis.call('HEXISTS', P .. 'meta', 'paused') == 1 end
local function nothing_waits()
  if is_paused() then return true end
  return redis.call('EXISTS', P .. 'wait', prioritized) == 0 and #due_jobs(now, 1) == 0
end
local function nothing(rest)
  local planned = next_due()
  return { now, rest, 0, 0, planned and string.format('%.0f', planned) or '' }
end
