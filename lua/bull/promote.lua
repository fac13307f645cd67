--- Moves delayed jobs that are due to waiting.
-- KEYS  P, X
-- ARGV  token (not empty), most jobs in this call
-- Reply how many were moved, then ms until the next one is due ('' = none is delayed), and when that is, ms
-- Kept  never early by Redis' clock; an id without a job is buried, not made a ghost
-- Spec  docs/wire/bull-4.md 8.4
--- @include "keys"
--- @include "now"
--- @include "types"
--- @include "bull/waiting"
--- @include "bull/bury"
local delayed, token = P .. 'delayed', ARGV[1]
local wrong = expect_types({ delayed, 'zset', P .. 'wait', 'list', P .. 'paused', 'list', P .. 'active', 'list',
  P .. 'priority', 'zset', P .. 'failed', 'zset' })
if wrong then return wrong end
-- Scores below this are plain ms that some other tool wrote (as ms * 4096 it would be a day in January 1970).
local PLAIN_MS_BELOW = 1e14

local due = redis.call('ZRANGEBYSCORE', delayed, '-inf', now * 4096, 'WITHSCORES', 'LIMIT', 0, ARGV[2])
local ids = {}
for i = 1, #due, 2 do
  local score = tonumber(due[i + 1])
  if score > now and score < PLAIN_MS_BELOW then
    redis.call('ZADD', delayed, score * 4096, due[i])
  else
    ids[#ids + 1] = due[i]
  end
end
if #ids > 0 then
  redis.call('ZREM', delayed, unpack(ids))
  local list, running = target_list(), redis.call('LLEN', P .. 'active') > 0
  for _, id in ipairs(ids) do
    local fields = redis.pcall('HMGET', P .. id, 'name', 'data', 'opts', 'priority')
    if fields.err or not (fields[1] or fields[2] or fields[3]) then
      bury(id, fields.err and 'undecodable' or 'body_missing', 'the delayed job has no body', now)
    else
      if running then redis.call('LREM', P .. 'active', 0, id) end
      local priority = number_of(fields[4])
      if priority ~= 0 then
        insert_by_priority(list, id, priority)
      else
        redis.call('LPUSH', list, id)
      end
      redis.call('PUBLISH', P .. 'waiting@' .. token, id)
      redis.call('HSET', P .. id, 'delay', 0)
    end
  end
end
local next_one = redis.call('ZRANGE', delayed, 0, 0, 'WITHSCORES')
if not next_one[2] then return { #ids, '', '' } end
local next_due = tonumber(next_one[2]) / 4096
redis.call('PUBLISH', delayed, next_due)
return { #ids, string.format('%.0f', math.min(math.max(math.ceil(next_due - now), 0), 1e15)),
  string.format('%.0f', math.min(math.ceil(next_due), 1e16)) }
