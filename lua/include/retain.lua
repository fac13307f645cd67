--- @include "keys"
--- @include "now"
--- @include "types"
--- @include "number"
-- Retention, the same in both dialects but for `own_key(id)`, `is_needed(id, fields)`, which says that another record leads to
-- a finished job, the `fields` that it wants to know (after opts), and `parts`, what a job's keys end in.
-- A step ends after the page in which it has taken so long, and before it frees more bytes of data than this. From Redis 7.2 on
-- the time stands still within a script: there only the number of jobs and the bytes bound it.
local PAGE, STEP_US, STEP_BYTES = 25, 2000, 4194304
local holder, turn_ms, what, age_ms, count = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
local from, pages_left = ARGV[6], math.ceil(tonumber(ARGV[7]) / PAGE)
local turn, runs = X .. 'retention', X .. 'runs'
local OURS = { 'job:', 'broken:', 'items:', 'retry:', 'seen:' }
local began, bytes_left = redis.call('TIME'), STEP_BYTES
-- Redis is for others after a few pages.
local function may_go_on()
  pages_left = pages_left - 1
  local at = redis.call('TIME')
  return pages_left >= 0 and bytes_left > 0 and (at[1] - began[1]) * 1000000 + at[2] - began[2] < STEP_US
end
-- How many of these this step may free; at least one. What is large in a job is freed while everybody waits.
local function affordable(ids)
  for i, id in ipairs(ids) do
    for _, field in ipairs({ 'data', 'returnvalue' }) do
      local size = redis.pcall('HSTRLEN', P .. id, field)
      bytes_left = bytes_left - (type(size) == 'number' and size or 0)
    end
    if bytes_left <= 0 then return math.max(1, i - 1) end
  end
  return #ids
end
-- One process at a time. DEL first: it is accepted when memory is out, and then so is the rest.
local function take_turn()
  local owner = redis.call('GET', turn)
  if owner and owner ~= holder then return false end
  redis.call('DEL', turn)
  redis.call('SET', turn, holder, 'PX', turn_ms)
  return true
end
-- Keys of jobs by what they end in; Redis is asked about many at once.
local function any(keys) return #keys > 0 and redis.call('EXISTS', unpack(keys)) > 0 end
local function says_itself(opts, state)
  local option = state == 'completed' and '"removeOnComplete":' or '"removeOnFail":'
  return type(opts) == 'string' and string.find(opts, option, 1, true) ~= nil
end
-- An idempotency key that holds still answers with this job.
local function is_known_by_key(id)
  local key = redis.pcall('HGET', X .. 'job:' .. id, 'idem')
  return type(key) == 'string' and redis.call('MGET', X .. 'idem:' .. key)[1] == id
end
-- Which of these finished jobs go.
local function removable(ids, state, fields, is_needed)
  local locks, records, gone = {}, {}, {}
  for i, id in ipairs(ids) do locks[i], records[i] = P .. id .. ':lock', X .. 'job:' .. id end
  local has_locks, has_records = any(locks), any(records)
  for i, id in ipairs(ids) do
    local said = redis.pcall('HMGET', P .. id, 'opts', unpack(fields))
    local stays = said.err or says_itself(said[1], state) or (has_locks and redis.call('EXISTS', locks[i]) == 1)
      or is_needed(id, said) or (has_records and is_known_by_key(id))
    if not stays then gone[#gone + 1] = id end
  end
  return gone
end
local function delete(set, ids, parts)
  if #ids == 0 then return end
  local keys = {}
  for _, id in ipairs(ids) do
    keys[#keys + 1] = P .. id
    for _, part in ipairs(parts) do keys[#keys + 1] = P .. id .. part end
    for _, name in ipairs(OURS) do keys[#keys + 1] = X .. name .. id end
  end
  redis.call('ZREM', set, unpack(ids))
  redis.call('UNLINK', unpack(keys))
end
-- Jobs of a set, oldest first, from position `at` on: how many were removed, and where to go on (nil = done).
local function trim(set, fields, parts, is_needed, is_own_key)
  local at, removed = tonumber(from) or 0, 0
  while may_go_on() do
    local over = count and redis.call('ZCARD', P .. set) - at - count or 0
    local page, ids, late = redis.call('ZRANGE', P .. set, at, at + PAGE - 1, 'WITHSCORES'), {}, false
    for i = 1, #page, 2 do
      late = late or not (age_ms and tonumber(page[i + 1]) <= now - age_ms)
      if late and #ids >= over then break end
      ids[#ids + 1] = page[i]
    end
    local most, jobs = affordable(ids), {}
    if #ids == 0 then return removed, nil end
    for i = 1, most do
      if not is_own_key(ids[i]) then jobs[#jobs + 1] = ids[i] end
    end
    local gone = removable(jobs, set, fields, is_needed)
    delete(P .. set, gone, parts)
    removed, at = removed + #gone, at + most - #gone
    if #ids < PAGE and most == #ids then return removed, nil end
  end
  return removed, at
end
-- Syncs that came to their end so long ago, by their entries: the same.
local function trim_runs(fields, parts, is_needed)
  local last, removed = from == '' and '-' or '(' .. from, 0
  while may_go_on() do
    local page = redis.call('XRANGE', runs, last, string.format('%.0f', now - age_ms), 'COUNT', PAGE)
    for _, entry in ipairs(page) do
      local id, stays = '', false
      for i = 1, #entry[2], 2 do
        if entry[2][i] == 'job' then id = entry[2][i + 1] end
      end
      for _, set in ipairs({ 'completed', 'failed' }) do
        local ended = redis.call('ZSCORE', P .. set, id)
        -- One that has run again since has a younger entry.
        if ended and tonumber(ended) <= now - age_ms then
          local org = redis.pcall('HGET', X .. 'job:' .. id, 'org')
          local gone = removable({ id }, set, fields, is_needed)
          delete(P .. set, gone, parts)
          if #gone == 1 and type(org) == 'string' then redis.pcall('ZREM', X .. 'org:' .. org, id) end
          removed = removed + #gone
          local opts = #gone == 0 and redis.pcall('HGET', P .. id, 'opts')
          stays = #gone == 0 and not says_itself(opts, set)
        end
      end
      if not stays then redis.call('XDEL', runs, entry[1]) end
      last = '(' .. entry[1]
    end
    if #page < PAGE then return removed, nil end
  end
  return removed, string.sub(last, 2)
end
local function retain(fields, parts, is_needed, is_own_key)
  local wrong = expect_types({ turn, 'string', runs, 'stream', P .. 'completed', 'zset', P .. 'failed', 'zset' })
  if wrong then return wrong end
  if not take_turn() then return { -1, 0, '' } end
  local removed, next_from
  if what == 'runs' then
    removed, next_from = trim_runs(fields, parts, is_needed)
  else
    removed, next_from = trim(what, fields, parts, is_needed, is_own_key)
  end
  return { 0, removed, tostring(next_from or '') }
end
