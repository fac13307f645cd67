--- Stands around every script of a queue whose audit level is `all`: what the script at the end of `act` does to jobs is
--- seen in its commands, and each job that it moved or changed gets an entry in its queue's audit log, in the same step.
-- KEYS  those of the script
-- ARGV  those of the script
-- Reply that of the script
-- Kept  an entry says what is so when the script ends: `was` and `is` (states; '' = none), `set` (JSON, fields and their
--       values, null = gone); a job that is as it was has none; a script that writes to no job writes nothing
--- @include "audit"
--- @own_key
local server, STEP = redis, '@step'
local STATES = { wait = 'waiting', paused = 'paused', active = 'active', delayed = 'delayed', prioritized = 'prioritized',
  ['waiting-children'] = 'waiting-children', completed = 'completed', failed = 'failed' }
local SETS = { 'completed', 'failed', 'delayed', 'prioritized', 'waiting-children' }
-- What a replay of the log tells of a job besides its state.
local RECORDED = { timestamp = 1, delay = 1, priority = 1, processedOn = 1, finishedOn = 1, attemptsMade = 1,
  stalledCounter = 1, atm = 1, ats = 1, stc = 1, returnvalue = 1, failedReason = 1, progress = 1, defa = 1 }
local seen, order, moved, wiped = {}, {}, {}, {}

-- Where the log of each queue is, by its base: of those that the script was called for, and of others that it meets.
local logs = {}
for i = 1, #KEYS - 1, 2 do logs[KEYS[i]] = KEYS[i + 1] .. 'audit' end
local PREFIX
for at in string.gmatch(KEYS[2], '()::x:') do
  local prefix, queue = string.sub(KEYS[2], 1, at - 1), string.sub(KEYS[2], at + 4, -3)
  if prefix .. ':' .. queue .. ':' == KEYS[1] then PREFIX = prefix end
end
-- The base of the queue that a key belongs to, and the rest of its name; nil = it is none of a queue. Parents live in
-- other queues of BullMQ, whose names have no colon.
local function place_of(key)
  if type(key) ~= 'string' then return nil end
  for i = 1, #KEYS - 1, 2 do
    local base = KEYS[i]
    if string.sub(key, 1, #base) == base and #key > #base then return base, string.sub(key, #base + 1) end
  end
  if not PREFIX or string.sub(key, 1, #PREFIX + 1) ~= PREFIX .. ':' then return nil end
  local queue, rest = string.match(string.sub(key, #PREFIX + 2), '^([^:]+):(.+)$')
  if not queue then return nil end
  local base = PREFIX .. ':' .. queue .. ':'
  logs[base] = logs[base] or PREFIX .. '::x:' .. queue .. '::audit'
  return base, rest
end
local function state_at(base, id)
  for i = 1, #SETS do
    if type(server.pcall('ZSCORE', base .. SETS[i], id)) == 'string' then return SETS[i] end
  end
  for _, list in ipairs({ 'active', 'wait', 'paused' }) do
    if type(server.pcall('LPOS', base .. list, id)) == 'number' then return STATES[list] end
  end
  return ''
end
-- From the first command that names a job: `was` is its state before that, if the caller does not know it.
local function touch(base, id, was)
  id = tostring(id)
  local key = base .. id
  if not seen[key] and not is_own_key(id) then
    seen[key] = { base = base, id = id, was = was or state_at(base, id), fields = {} }
    order[#order + 1] = seen[key]
  end
  return seen[key]
end
local function touch_from(base, first, stride, ...)
  for i = first, select('#', ...), stride do touch(base, (select(i, ...))) end
end
-- A job by one of its own keys.
local function touch_key(key)
  local base, rest = place_of(key)
  if not base then return nil end
  if STATES[rest] then
    wiped[key] = true
    return nil
  end
  return touch(base, string.match(rest, '^(.*):lock$') or rest)
end
local function note_fields(stride, key, ...)
  local job = touch_key(key)
  for i = 1, job and select('#', ...) or 0, stride do
    local field = select(i, ...)
    if RECORDED[field] then job.fields[#job.fields + 1] = field end
  end
end
local BEFORE = {
  HSET = function(...) note_fields(2, ...) end,
  HSETNX = function(...) note_fields(2, ...) end,
  HINCRBY = function(...) note_fields(2, ...) end,
  HDEL = function(...) note_fields(1, ...) end,
  DEL = function(...)
    for i = 1, select('#', ...) do touch_key((select(i, ...))) end
  end,
  RENAME = function(from, to)
    local base, rest = place_of(from)
    if base and STATES[rest] then -- all that are in it, in one entry
      moved[#moved + 1] = { base = base, was = STATES[rest], is = STATES[(select(2, place_of(to)))] or '' }
    else
      touch_key(from)
      touch_key(to)
    end
  end,
}
-- Those that name a state's key first, and where its ids are in what follows.
local IDS = { LPUSH = { 1, 1 }, RPUSH = { 1, 1 }, LREM = { 2, 1 }, ZADD = { 2, 2 }, ZREM = { 1, 1 }, LINSERT = { 3, 1 } }
local POPS = { RPOP = 1, ZPOPMIN = 2, LMOVE = 1 }
local function observe(command, key, ...)
  local before, ids = BEFORE[command], IDS[command]
  if before then return before(key, ...) end
  local base, rest = place_of(key)
  if not base or not STATES[rest] or not ids then return end
  -- A list that is written anew holds what was in it.
  if not wiped[key] then touch_from(base, ids[1], ids[2], ...) end
end
local function observe_popped(command, key, reply)
  local base, rest = place_of(key)
  if not base or not STATES[rest] or not reply or (type(reply) == 'table' and reply.err) then return end
  local ids = type(reply) == 'table' and reply or { reply }
  for i = 1, #ids, POPS[command] do touch(base, ids[i], STATES[rest]) end
end
local function through(send)
  return function(...)
    local command, key = ...
    observe(...)
    local reply = send(...)
    if POPS[command] then observe_popped(command, key, reply) end
    return reply
  end
end
local function changes_of(job)
  if #job.fields == 0 then return nil end
  local values, set = server.pcall('HMGET', job.base .. job.id, unpack(job.fields)), {}
  for i = 1, #job.fields do set[job.fields[i]] = values[i] or cjson.null end
  return cjson.encode(set)
end
local function write_entries()
  for _, all in ipairs(moved) do
    append_entry(logs[all.base], 'what', STEP, 'job', '', 'was', all.was, 'is', all.is)
  end
  for _, job in ipairs(order) do
    local is, set = state_at(job.base, job.id), changes_of(job)
    if set then
      append_entry(logs[job.base], 'what', STEP, 'job', job.id, 'was', job.was, 'is', is, 'set', set)
    elseif is ~= job.was then
      append_entry(logs[job.base], 'what', STEP, 'job', job.id, 'was', job.was, 'is', is)
    end
  end
end

local log = logs[KEYS[1]]
local kind = server.call('TYPE', log).ok
if kind ~= 'none' and kind ~= 'stream' then
  return server.error_reply('WRONGKEY ' .. log .. ' is a ' .. kind .. ', expected a stream')
end
local redis = { call = through(server.call), pcall = through(server.pcall), error_reply = server.error_reply,
  status_reply = server.status_reply, sha1hex = server.sha1hex }
local function act()
--- @act
end
local went, reply = pcall(act)
write_entries()
if not went then error(reply, 0) end
return reply
