--- What many queues hold, at one moment.
-- KEYS  P and X of each queue
-- ARGV  none
-- Reply now; then for each queue: lengths of wait, paused, active, delayed, completed, failed, prioritized, waiting-children;
--       1 = paused; 1 = BullMQ has written to it; 1 = Bull has; 1 = it has keys; jobs ever added; since when (ms) its oldest
--       waiting job has waited, as far as its ends tell (0 = none waits); key that is of a wrong type ('' = none)
-- Kept  writes nothing
--- @include "now"
local LISTS = { 'wait', 'paused', 'active' }
local SETS = { 'delayed', 'completed', 'failed', 'prioritized', 'waiting-children' }
local function look(P)
  local out, wrong, total = {}, '', 0
  local function length(command, name)
    local found = redis.pcall(command, P .. name)
    if type(found) ~= 'number' then
      wrong, found = P .. name, 0
    end
    out[#out + 1] = found
    total = total + found
  end
  for _, name in ipairs(LISTS) do length('LLEN', name) end
  for _, name in ipairs(SETS) do length('ZCARD', name) end
  local mq = redis.call('TYPE', P .. 'events').ok == 'stream'
    or redis.call('EXISTS', P .. 'marker', P .. 'prioritized', P .. 'pc', P .. 'waiting-children') > 0
  local paused, meta = false, redis.pcall('HKEYS', P .. 'meta')
  for _, field in ipairs(meta.err and {} or meta) do
    if field == 'version' or string.sub(field, 1, 5) == 'opts.' then mq = true end
    if field == 'paused' then paused = true end
  end
  local bull = redis.call('EXISTS', P .. 'meta-paused') == 1
  local added = redis.pcall('GET', P .. 'id')
  local exists = total > 0 or mq or bull or type(added) == 'string' or redis.call('EXISTS', P .. 'meta', P .. 'repeat') > 0
  local oldest
  local function consider(id)
    if type(id) ~= 'string' then return end
    local times = redis.pcall('HMGET', P .. id, 'timestamp', 'delay', 'processedOn')
    local came = not times.err and tonumber(times[1] or nil)
    if not came then return end
    local since = math.max(came + (tonumber(times[2] or nil) or 0), tonumber(times[3] or nil) or 0)
    if not oldest or since < oldest then oldest = since end
  end
  if wrong == '' and out[1] + out[2] + out[7] > 0 then
    for i, name in ipairs({ 'wait', 'paused' }) do
      if out[i] > 0 then consider(redis.call('LINDEX', P .. name, -1)) end
      if out[i] > 1 then consider(redis.call('LINDEX', P .. name, 0)) end
    end
    if out[7] > 0 then consider(redis.call('ZRANGE', P .. 'prioritized', 0, 0)[1]) end
  end
  out[#out + 1] = (mq and paused or not mq and bull) and 1 or 0
  out[#out + 1] = mq and 1 or 0
  out[#out + 1] = bull and 1 or 0
  out[#out + 1] = exists and 1 or 0
  out[#out + 1] = tonumber(type(added) == 'string' and added or nil) or 0
  out[#out + 1] = math.min(oldest or 0, 9007199254740991)
  out[#out + 1] = wrong
  return out
end
local reply = { now }
for i = 1, #KEYS, 2 do reply[#reply + 1] = look(KEYS[i]) end
return reply
