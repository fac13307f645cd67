--- @include "number"
--- @include "fail_whole"
-- Mends of where a job is. Each answers the state before and the one after ('' = none); nil = it is not so any more; a
-- number = why it must not be: -1 a run holds it.
local RUNS = -1
local function any_but_finished(times)
  for name in pairs(times) do
    if name ~= 'completed' and name ~= 'failed' then return true end
  end
  return false
end
local function joined(names) return table.concat(names, '+') end
local RULES = {}

function RULES.ghost_id(id)
  local names, times = places_of(id)
  if #names == 0 or (kind_of(id) ~= 'none' and not is_own_key(id)) then return nil end
  if is_own_key(id) then
    leave_all(id)
    return joined(names), ''
  end
  if is_held(id) then return RUNS end
  take_from_run(id, 'kill')
  leave_all(id)
  if not any_but_finished(times) then return joined(names), '' end
  bury(id, 'body_missing', 'there is no job behind this id any more', now)
  return joined(names), 'failed'
end

-- A hash without data and options: a mark that somebody left on a job that was gone.
function RULES.no_body(id)
  local names = places_of(id)
  if #names == 0 or kind_of(id) ~= 'hash' or has_body(id) then return nil end
  if is_held(id) then return RUNS end
  take_from_run(id, 'kill')
  leave_all(id)
  bury(id, 'body_missing', 'the job has neither data nor options', now)
  return joined(names), 'failed'
end

function RULES.wrong_type(id)
  local names, kind = places_of(id), kind_of(id)
  if #names == 0 or kind == 'hash' or kind == 'none' or is_own_key(id) then return nil end
  if is_held(id) then return RUNS end
  take_from_run(id, 'kill')
  leave_all(id)
  bury(id, 'undecodable', 'the key of the job is not a hash', now)
  return joined(names), 'failed'
end

-- What a job that ended says of its end outweighs a line that it stands in: to run it again would do its work twice.
local function state_to_keep(id, times)
  local ends = redis.call('HMGET', P .. id, 'returnvalue', 'failedReason', 'finishedOn')
  if times.active and is_held(id) then return 'active' end
  if times.completed and ends[1] then return 'completed' end
  if times.failed and ends[2] and ends[3] then return 'failed' end
  if times['waiting-children'] and redis.call('SCARD', P .. id .. ':dependencies') > 0 then return 'waiting-children' end
  if times.delayed then return 'delayed' end
  if times.prioritized then return 'prioritized' end
  if times.wait and times.paused then return line_name() end
  for _, name in ipairs({ 'wait', 'paused', 'waiting-children', 'active', 'failed', 'completed' }) do
    if times[name] then return name end
  end
end

function RULES.two_states(id)
  local names, times = places_of(id)
  if #names < 2 or kind_of(id) ~= 'hash' then return nil end
  local kept = state_to_keep(id, times)
  leave_all(id, kept)
  return joined(names), kept
end

-- The one that is next to run stays.
function RULES.twice_in_list(id)
  local names, times = places_of(id)
  local mended = {}
  for name, n in pairs(times) do
    if n > 1 then
      redis.call('LREM', P .. name, n - 1, id)
      mended[#mended + 1] = name
    end
  end
  if #mended == 0 then return nil end
  return joined(names), joined(names)
end

-- Into the state that its hash speaks of. One that had begun is not run again by us: it may have done its work.
function RULES.orphan_hash(id)
  if #places_of(id) > 0 or kind_of(id) ~= 'hash' or is_own_key(id) then return nil end
  if is_held(id) then return RUNS end
  if not has_body(id) then
    redis.call('RENAME', P .. id, X .. 'broken:' .. id)
    return '', ''
  end
  local said = redis.call('HMGET', P .. id, 'finishedOn', 'returnvalue', 'failedReason', 'processedOn', 'timestamp', 'delay')
  local finished = number_of(said[1])
  if finished > 0 and (said[2] or said[3]) then
    local ended = said[2] and 'completed' or 'failed'
    redis.call('ZADD', P .. ended, finished, id)
    return '', ended
  end
  if redis.call('SCARD', P .. id .. ':dependencies') > 0 then
    redis.call('ZADD', P .. 'waiting-children', now, id)
    return '', 'waiting-children'
  end
  if said[4] then
    fail_whole(id, 'crashed', 'the job had begun and was in no state any more', now)
    return '', 'failed'
  end
  local due = number_of(said[5]) + number_of(said[6])
  if number_of(said[6]) > 0 and due > now then
    redis.call('ZADD', P .. 'delayed', string.format('%.0f', due * 4096), id)
    after_delaying()
    return '', 'delayed'
  end
  return '', put_in_line(id, '')
end

-- As the libraries' own check for stalled jobs does, without counting it.
function RULES.active_without_lease(id)
  if is_held(id) or kind_of(id) ~= 'hash' or not redis.call('LPOS', P .. 'active', id) then return nil end
  take_from_run(id, 'kill')
  redis.call('LREM', P .. 'active', 0, id)
  if #places_of(id) > 0 then return 'active', places_of(id)[1] end
  if not has_body(id) then
    bury(id, 'body_missing', 'the data of the job is missing', now)
    return 'active', 'failed'
  end
  return 'active', put_in_line(id, 'active')
end

-- `arg`: field, length, and the first bytes of what was found to be unreadable.
function RULES.undecodable(id, arg)
  local field, length, start = string.match(arg, '^(%a+):(%d+):(.*)$')
  local names = places_of(id)
  if #names == 0 or kind_of(id) ~= 'hash' then return nil end
  local found = redis.call('HGET', P .. id, field)
  if not found or #found ~= tonumber(length) or string.sub(found, 1, #start) ~= start then return nil end
  if is_held(id) then return RUNS end
  take_from_run(id, 'kill')
  leave_all(id)
  bury(id, 'undecodable', field .. ' of the job cannot be read', now)
  return joined(names), 'failed'
end
