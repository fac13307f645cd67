--- @include "mend_places"
-- Mends of single fields and scores.
local function is_count(text) return string.match(text, '^%d+$') and #text < 16 end
function RULES.bad_counter(id, field)
  local found = kind_of(id) == 'hash' and redis.call('HGET', P .. id, field)
  if not found or is_count(found) then return nil end
  redis.call('HSET', own_record(id), 'raw:' .. field, found)
  redis.call('HSET', P .. id, field, 0)
  return field, field
end
-- The counter of ids, or of priorities: no job can be added without it. `arg`: the first number that is free.
function RULES.bad_queue_counter(name, arg)
  local found = redis.call('TYPE', P .. name).ok == 'string' and redis.call('GET', P .. name)
  if not found or string.match(found, '^%-?%d+$') and #found < 19 then return nil end
  redis.call('SET', P .. name, arg)
  return name, name
end
-- Plain ms become what the libraries expect; what is no time at all is reckoned from the job, or is due now.
local PLAIN_MS, LEAST = 1e11, 1e14
local MOST = 8.64e15 * 4096
function RULES.delayed_score(id)
  local text = redis.call('ZSCORE', P .. 'delayed', id)
  if not text or kind_of(id) ~= 'hash' then return nil end
  local score = tonumber(text)
  if score and score >= LEAST and score <= MOST then return nil end
  local due = now
  if score and score >= PLAIN_MS and score < LEAST then
    due = score
  else
    local said = redis.call('HMGET', P .. id, 'timestamp', 'delay')
    if number_of(said[1]) > PLAIN_MS and number_of(said[2]) > 0 then due = number_of(said[1]) + number_of(said[2]) end
  end
  redis.call('ZADD', P .. 'delayed', string.format('%.0f', due * 4096), id)
  after_delaying()
  return 'delayed', 'delayed'
end
-- What a run that had lost its lease wrote into a job that was done. Kept beside it.
function RULES.dirty_terminal_hash(id)
  local state = redis.call('ZSCORE', P .. 'completed', id) and 'completed'
    or redis.call('ZSCORE', P .. 'failed', id) and 'failed'
  local fields = state == 'completed' and { 'failedReason', 'stacktrace' } or { 'returnvalue' }
  if not state or kind_of(id) ~= 'hash' or redis.call('HEXISTS', P .. id, fields[1]) == 0 then return nil end
  local record = own_record(id)
  for _, field in ipairs(fields) do
    local found = redis.call('HGET', P .. id, field)
    if found then redis.call('HSET', record, 'raw:' .. field, found) end
    redis.call('HDEL', P .. id, field)
  end
  return state, state
end
function RULES.priority_left(id)
  if not redis.call('ZSCORE', P .. RANKED, id) then return nil end
  local _, times = places_of(id)
  if times.wait or times.paused or times.delayed or times.active then return nil end
  redis.call('ZREM', P .. RANKED, id)
  return '', ''
end
local PRIORITY_MAX = 2097151
function RULES.priority_differs(id)
  local score = redis.call('ZSCORE', P .. RANKED, id)
  if not score or kind_of(id) ~= 'hash' then return nil end
  local ranked, said = math.floor(tonumber(score) / 4294967296), redis.call('HGET', P .. id, 'priority')
  if ranked >= 0 and ranked <= PRIORITY_MAX then
    ranked = string.format('%.0f', ranked)
    if said == ranked then return nil end
    redis.call('HSET', P .. id, 'priority', ranked)
  else -- the score is no rank: the job's own word counts
    local priority = math.floor(number_of(said))
    priority = priority >= 0 and priority <= PRIORITY_MAX and priority or 0
    redis.call('ZADD', P .. RANKED, string.format('%.0f', priority * 4294967296), id)
    redis.call('HSET', P .. id, 'priority', priority)
  end
  return RANKED, RANKED
end
