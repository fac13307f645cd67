--- @include "record"
-- Jobs whose worker died (`X suspects`): id -> '1' after the first death, which may have been anybody's: it runs as before.
-- After a second one in a row the job stands in line, '': a process runs one of those at a time, then id -> the token of that
-- run, so that its next death says which it was. The end of a run clears its job.
local DIED_ONCE = '1'
local SUSPECT_REST_MS, CRASH_RECORDS_MAX, PRUNED_MAX = 250, 20, 100
local suspects = X .. 'suspects'
local function own_crashes(id)
  local count = redis.pcall('HGET', X .. 'job:' .. id, 'own_crashes')
  return type(count) == 'string' and is_about(X .. 'job:' .. id, id) and count or '0'
end
-- Does it run, if it runs, as the only one of its kind?
local function runs_alone(id)
  local state = redis.pcall('HGET', suspects, id)
  return type(state) == 'string' and state ~= DIED_ONCE
end
-- Which of `ids` do: true by id.
local function suspects_among(ids)
  local known = {}
  for i = 1, #ids do known[ids[i]] = runs_alone(ids[i]) or nil end
  return known
end
-- Of ids in the order of their turn: those to take, at most `wanted`, with one suspect if that is allowed; and those
-- to leave. Says third whether a suspect had to be left.
local function pick(ids, wanted, known, may_take_one)
  local taken, left, passed = {}, {}, false
  for i = 1, #ids do
    local suspect = known[ids[i]]
    if #taken < wanted and (not suspect or may_take_one) then
      taken[#taken + 1] = ids[i]
      if suspect then may_take_one = false end
    else
      left[#left + 1] = ids[i]
      passed = passed or (suspect or false)
    end
  end
  return taken, left, passed
end
-- The worker of this job died: notes when, and whose run it was if it ran as the suspect of its process, which charges it.
-- Returns how often that has happened in all.
local function note_crash(id, worker, now)
  local record = own_record(id)
  local crashes, token = count_up(record, 'crashes'), redis.call('HGET', suspects, id)
  local own = token and token ~= '' and token ~= DIED_ONCE
  if own then
    worker = string.match(token, '^[^:]*')
    count_up(record, 'own_crashes')
    redis.call('HSET', record, 'crashed_run', token)
  end
  redis.call('HSET', record, 'crash:' .. crashes, '{"at":' .. string.format('%.0f', now) .. ',"worker":'
    .. (worker and cjson.encode(worker) or 'null') .. ',"own":' .. (own and 'true' or 'false') .. '}')
  redis.call('HDEL', record, 'crash:' .. (crashes - CRASH_RECORDS_MAX))
  redis.call('HSET', suspects, id, token and '' or DIED_ONCE)
  return crashes
end
-- The run ended without a crash, but its job is still under suspicion.
local function stand_in_line(id)
  if runs_alone(id) then redis.call('HSET', suspects, id, '') end
end
-- The worker that lost this run's lease is alive: it was no crash.
local function absolve(id, token)
  local record = X .. 'job:' .. id
  if redis.pcall('HGET', record, 'crashed_run') == token then
    redis.call('HDEL', record, 'crashed_run')
    redis.call('HSET', record, 'own_crashes', math.max(0, number_of(own_crashes(id)) - 1))
  elseif own_crashes(id) == '0' then
    redis.call('HDEL', suspects, id)
  end
end
-- Jobs that somebody else ended or removed: some at a time.
local function prune_suspects()
  if redis.call('EXISTS', suspects) == 0 then return end
  for _, id in ipairs(redis.call('HRANDFIELD', suspects, PRUNED_MAX)) do
    if redis.call('EXISTS', P .. id) == 0 or redis.call('ZSCORE', P .. 'completed', id)
      or redis.call('ZSCORE', P .. 'failed', id) then
      redis.call('HDEL', suspects, id)
    end
  end
end
