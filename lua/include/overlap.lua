--- @include "keys"
--- @include "now"
--- @include "types"
--- @include "record"
-- Whose turn it is among the occurrences of a schedule is the same in both dialects. `X schedule:<name>` holds those that were
-- due and have not ended, in the order in which they were.
local LINE_MOST = 100
local name, policy, claimed, key, prefix = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local line = X .. 'schedule:' .. name
local wrong = expect_types({ line, 'zset', P .. 'repeat', 'zset', P .. 'completed', 'zset', P .. 'failed', 'zset' })
if wrong then return wrong end
local function has_ended(id)
  return redis.call('EXISTS', P .. id) == 0 or redis.call('ZSCORE', P .. 'completed', id)
    or redis.call('ZSCORE', P .. 'failed', id)
end
-- Those in line before this one ('' = all).
local function before(id)
  local others = {}
  for _, other in ipairs(redis.call('ZRANGE', line, 0, -1)) do
    if other == id then break end
    if has_ended(other) then redis.call('ZREM', line, other) else others[#others + 1] = other end
  end
  return others
end
local function skipped_for(id)
  local record = X .. 'job:' .. id
  local other = redis.pcall('HGET', record, 'skip')
  return type(other) == 'string' and is_about(record, id) and other or nil
end
-- What is decided when an occurrence is due, once.
local function arrive(id)
  if redis.call('ZSCORE', line, id) or skipped_for(id) then return end
  local others = before('')
  if #others > 0 and (policy == 'skip' or #others >= LINE_MOST) then
    redis.call('HSET', own_record(id), 'skip', others[1])
    return
  end
  local last = redis.call('ZRANGE', line, -1, -1, 'WITHSCORES')[2]
  redis.call('ZADD', line, math.max(now, number_of(last) + 1), id)
end
if claimed ~= '' then
  arrive(claimed)
  local other = skipped_for(claimed)
  if other then return { 1, other } end
  local others = before(claimed)
  return { #others > 0 and 2 or 0, unpack(others) }
end
-- Nobody has claimed it yet: it may be that all slots are taken by those before.
local due = tonumber(redis.call('ZSCORE', P .. 'repeat', key) or nil)
if not due or due > now then return { 0 } end
local id = prefix .. string.format('%.0f', due)
if has_ended(id) then return { 0 } end
arrive(id)
if skipped_for(id) then return { 0 } end
local others = before(id)
return { #others > 0 and 2 or 0, unpack(others) }
