--- @include "keys"
--- @include "places"
-- The facts of jobs, read at one instant. Nothing is written, and no type is taken for granted.
local SHOWN_MAX = 200
local FIELDS = { 'name', 'timestamp', 'delay', 'priority', 'processedOn', 'finishedOn', 'attemptsMade', 'stalledCounter',
  'atm', 'ats', 'stc', 'retriedOn', 'failedReason', 'parentKey', 'pb' }
local FAILED_AT = 13
local without_lists, reply = ARGV[1] ~= '1', {}
local function add(value) reply[#reply + 1] = value end
local function text(value) return type(value) == 'string' and string.sub(value, 1, SHOWN_MAX) or false end
local function number(value) return type(value) == 'number' and value or 0 end
local function add_lock(key)
  local kind = redis.call('TYPE', key).ok
  add(kind)
  add(redis.call('PTTL', key))
  add(kind == 'string' and text(redis.call('GET', key)) or false)
end
local function add_places(id)
  local names, times = places_of(id, without_lists)
  for i, name in ipairs(names) do names[i] = name .. '=' .. times[name] end
  add(table.concat(names, ','))
end
-- How many attempts the job has; asked only where one has failed.
local function attempts_of(key)
  local ok, opts = pcall(cjson.decode, redis.call('HGET', key, 'opts') or '')
  local attempts = ok and type(opts) == 'table' and tonumber(opts.attempts)
  return attempts and attempts >= 1 and attempts < 1e15 and math.floor(attempts) or 1
end
local function add_hash(key, kind)
  local found = kind == 'hash' and redis.call('HMGET', key, unpack(FIELDS)) or {}
  for i = 1, #FIELDS do add(text(found[i])) end
  for _, field in ipairs({ 'data', 'opts', 'returnvalue' }) do
    local there = kind == 'hash' and redis.call('HEXISTS', key, field) == 1
    add(there and redis.call('HSTRLEN', key, field) or -1)
  end
  add(found[FAILED_AT] and attempts_of(key) or 0)
  local parent = kind == 'hash' and redis.call('HGET', key, 'parentKey')
  add(parent and parent ~= '' and redis.call('EXISTS', parent) == 0 and 1 or 0)
end
for i = 2, #ARGV do
  local id = ARGV[i]
  local key, record = P .. id, X .. 'job:' .. id
  local kind = is_own_key(id) and 'own' or redis.call('TYPE', key).ok
  add(kind)
  add_lock(key .. ':lock')
  add_places(id)
  add(text(redis.pcall('ZSCORE', P .. 'delayed', id)))
  add(text(redis.pcall('ZSCORE', P .. RANKED, id)))
  add(number(redis.pcall('SISMEMBER', P .. 'stalled', id)))
  add(number(redis.pcall('SISMEMBER', X .. 'leases', id)))
  add(redis.call('TYPE', record).ok)
  add(text(redis.pcall('HGET', record, 'of')))
  add(text(redis.pcall('HGET', record, 'beat')))
  add(number(redis.pcall('SCARD', key .. ':dependencies')))
  add_hash(key, kind)
end
return reply
