--- @include "keys"
--- @include "places"
-- The facts of jobs, read at one instant. Nothing is written, and no type is taken for granted.
local SHOWN_MAX = 200
local FIELDS = { 'name', 'timestamp', 'delay', 'priority', 'processedOn', 'finishedOn', 'attemptsMade', 'stalledCounter',
  'atm', 'ats', 'stc', 'retriedOn', 'failedReason', 'parentKey', 'pb' }
local FAILED_AT, PARENT_AT = 13, 14
local lists, reply = ({ [0] = {}, LISTS, { 'active' } })[tonumber(ARGV[1])], {}
local function add(value) reply[#reply + 1] = value or false end
local function text(value) return type(value) == 'string' and string.sub(value, 1, SHOWN_MAX) or false end
local function number(value) return type(value) == 'number' and value or 0 end
local function add_lock(key)
  local kind = redis.call('TYPE', key).ok
  add(kind)
  add(kind ~= 'none' and redis.call('PTTL', key) or -2)
  add(kind == 'string' and text(redis.call('GET', key)) or false)
end
local function add_places(id)
  local names, times = places_of(id, lists)
  local waits = times['waiting-children']
  for i, name in ipairs(names) do names[i] = name .. '=' .. times[name] end
  add(table.concat(names, ','))
  return waits
end
-- How many attempts the job has; asked only where one has failed.
local function attempts_of(key)
  local ok, opts = pcall(cjson.decode, redis.call('HGET', key, 'opts') or '')
  local attempts = ok and type(opts) == 'table' and tonumber(opts.attempts)
  return attempts and attempts >= 1 and attempts < 1e15 and math.floor(attempts) or 1
end
-- Bytes of a field; -1 = absent.
local function length_of(key, field)
  local length = redis.call('HSTRLEN', key, field)
  return (length > 0 or redis.call('HEXISTS', key, field) == 1) and length or -1
end
local function add_hash(key, kind)
  local found = kind == 'hash' and redis.call('HMGET', key, unpack(FIELDS)) or {}
  for i = 1, #FIELDS do add(text(found[i])) end
  for _, field in ipairs({ 'data', 'opts', 'returnvalue' }) do
    add(kind == 'hash' and length_of(key, field) or -1)
  end
  add(found[FAILED_AT] and attempts_of(key) or 0)
  local parent = found[PARENT_AT]
  add(parent and parent ~= '' and redis.call('EXISTS', parent) == 0 and 1 or 0)
end
for i = 2, #ARGV do
  local id = ARGV[i]
  local key, record = P .. id, X .. 'job:' .. id
  local kind = is_own_key(id) and 'own' or redis.call('TYPE', key).ok
  add(kind)
  add_lock(key .. ':lock')
  local waits = add_places(id)
  add(text(redis.pcall('ZSCORE', P .. 'delayed', id)))
  add(text(redis.pcall('ZSCORE', P .. RANKED, id)))
  add(number(redis.pcall('SISMEMBER', P .. 'stalled', id)))
  add(number(redis.pcall('SISMEMBER', X .. 'leases', id)))
  local recorded = redis.call('TYPE', record).ok
  local said = recorded == 'hash' and redis.call('HMGET', record, 'of', 'beat') or {}
  add(recorded)
  add(text(said[1]))
  add(text(said[2]))
  add(waits and number(redis.pcall('SCARD', key .. ':dependencies')) or 0)
  add_hash(key, kind)
end
return cmsgpack.pack(reply)
