--- One page of the jobs of a state; or those among the next ones that may be meant by a search.
-- KEYS  P, X
-- ARGV  list or sorted set, asc|desc, where to go on: position or score ('' = at the beginning) and id; most jobs to look
--       at, most to answer, most bytes of a body, most bytes to read; then field, 1 = a Lua pattern follows, else a text,
--       and what the field holds (`failedReason` in small letters)
-- Reply now; how many were looked at; 1 = the end was reached; position or score, and id, of the last one looked at; then for
--       each job: id, score ('' in a list), lock or nil, ms that are left of it, reason, crashes, names of bodies that are
--       too long (blanks between), and the fields and values of its hash
-- Kept  writes nothing; a job without a hash is answered without fields; what is of a wrong type is empty
--- @include "keys"
--- @include "now"
local key, asc, at, last_id = P .. ARGV[1], ARGV[2] == 'asc', ARGV[3], ARGV[4]
local look_max, take_max, body_max, read_max = tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
local kind = redis.call('TYPE', key).ok
local FIELDS = { 'name', 'timestamp', 'delay', 'priority', 'attemptsMade', 'atm', 'ats', 'stalledCounter', 'stc', 'pb',
  'parentKey', 'rjk', 'deid', 'defa', 'processedOn', 'finishedOn', 'retriedOn', 'failedReason' }
local BODIES = { 'data', 'opts', 'progress', 'returnvalue' }
local STEP, ERROR_MAX = 1000, 4096

-- Where the last page ended, as a rank. Jobs come and go meanwhile: its last job is looked for, or else its place.
local function rank_after_score()
  local rank = redis.call(asc and 'ZRANK' or 'ZREVRANK', key, last_id)
  if rank and tonumber(redis.call('ZSCORE', key, last_id)) == tonumber(at) then return rank + 1 end
  local start = asc and redis.call('ZCOUNT', key, '-inf', '(' .. at) or redis.call('ZCOUNT', key, '(' .. at, '+inf')
  for _ = 1, 10 do
    local ties = redis.call(asc and 'ZRANGE' or 'ZREVRANGE', key, start, start + STEP - 1, 'WITHSCORES')
    for i = 1, #ties, 2 do
      local passed = asc and ties[i] <= last_id or not asc and ties[i] >= last_id
      if tonumber(ties[i + 1]) ~= tonumber(at) or not passed then return start end
      start = start + 1
    end
    if #ties == 0 then return start end
  end
  return start
end
local function rank_after_place()
  local index = tonumber(at)
  local place = asc and -(index + 1) or index
  if redis.call('LINDEX', key, place) == last_id then return index + 1 end
  local found = redis.call('LPOS', key, last_id, 'RANK', asc and -1 or 1, 'MAXLEN', index + 10 * STEP)
  if not found then return index end
  return (asc and redis.call('LLEN', key) - 1 - found or found) + 1
end
-- Ids and scores from a rank on.
local function members(from, count)
  if kind == 'zset' then
    local found = redis.call(asc and 'ZRANGE' or 'ZREVRANGE', key, from, from + count - 1, 'WITHSCORES')
    local ids, scores = {}, {}
    for i = 1, #found, 2 do
      ids[#ids + 1], scores[#scores + 1] = found[i], found[i + 1]
    end
    return ids, scores
  end
  local found = asc and redis.call('LRANGE', key, -(from + count), -(from + 1))
    or redis.call('LRANGE', key, from, from + count - 1)
  if not asc then return found end
  local ids = {}
  for i = #found, 1, -1 do ids[#ids + 1] = found[i] end
  return ids
end

local bytes_read = 0
local function fields_of(id, names)
  local found = redis.pcall('HMGET', P .. id, unpack(names))
  if found.err then return {} end
  for i = 1, #names do bytes_read = bytes_read + (found[i] and #found[i] or 0) end
  return found
end
local wanted, is_plain, texts = {}, {}, {}
for i = 9, #ARGV, 3 do
  wanted[#wanted + 1], is_plain[#is_plain + 1], texts[#texts + 1] = ARGV[i], ARGV[i + 1] ~= '1', ARGV[i + 2]
end
local function may_be_meant(id)
  for i, name in ipairs(wanted) do
    local text = redis.pcall('HGET', P .. id, name)
    -- No such field, or no hash.
    if type(text) ~= 'string' then return false end
    bytes_read = bytes_read + #text
    if name == 'failedReason' then text = string.lower(text) end
    if not string.find(text, texts[i], 1, is_plain[i]) then return false end
  end
  return true
end
local function view(id, score)
  local lock, record = P .. id .. ':lock', redis.pcall('HMGET', X .. 'job:' .. id, 'reason', 'crashes', 'of')
  local holder = redis.pcall('GET', lock)
  if type(holder) ~= 'string' then holder = false end
  if record.err then record = {} end
  local fields, names, long = fields_of(id, FIELDS), {}, {}
  if record[3] and record[3] ~= fields[2] then record = {} end
  local out = {}
  for i, name in ipairs(FIELDS) do
    if fields[i] then
      out[#out + 1], out[#out + 2] = name, name == 'failedReason' and string.sub(fields[i], 1, ERROR_MAX) or fields[i]
    end
  end
  for _, name in ipairs(BODIES) do
    local length = redis.pcall('HSTRLEN', P .. id, name)
    if type(length) ~= 'number' then length = 0 end
    if length > body_max then long[#long + 1] = name elseif length > 0 then names[#names + 1] = name end
  end
  if #names > 0 then
    local bodies = fields_of(id, names)
    for i, name in ipairs(names) do
      if bodies[i] then out[#out + 1], out[#out + 2] = name, bodies[i] end
    end
  end
  return { id, score or '', holder, redis.call('PTTL', lock), record[1] or '', record[2] or '', table.concat(long, ' '), out }
end

if kind ~= 'zset' and kind ~= 'list' then return { now, 0, 1, '', '' } end
local start = 0
if at ~= '' then start = kind == 'zset' and rank_after_score() or rank_after_place() end
local looked, ended, jobs = 0, false, {}
while looked < look_max and #jobs < take_max and bytes_read < read_max and not ended do
  local count = math.min(STEP, look_max - looked)
  if #wanted == 0 then count = math.min(count, take_max - #jobs) end
  local ids, scores = members(start + looked, count)
  ended = #ids < count
  for i, id in ipairs(ids) do
    if #jobs >= take_max or bytes_read >= read_max then
      ended = false
      break
    end
    looked = looked + 1
    last_id, at = id, scores and scores[i] or start + looked - 1
    if may_be_meant(id) then jobs[#jobs + 1] = view(id, scores and scores[i]) end
  end
end
if type(at) == 'number' then at = string.format('%.0f', at) end
return { now, looked, ended and 1 or 0, at, last_id, unpack(jobs) }
