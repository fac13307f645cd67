--- @include "record"
--- @include "revive"
--- @include "audit"
--- @include "bulk"
-- Dead letters put back to waiting, or taken to another queue. The dialect's own fragments bring `is_own_key`,
-- `put_back(id, key)` and `take_out(id)`, which the script defines.
local put_back, take_out
local FIRST, STRIDE = 7, 6
local by, from, why = ARGV[4], ARGV[5], ARGV[6]
local ENDED_WITH = { 'finishedOn', 'processedOn', 'failedReason' }
-- nil = it may be taken.
local function not_taken(id, key, expected, data)
  if is_own_key(id) or redis.call('TYPE', key).ok ~= 'hash' then return 0 end
  if redis.call('EXISTS', key .. ':lock') == 1 then return -1 end
  local score = redis.call('ZSCORE', P .. 'failed', id)
  -- What failed after the operation began is another failure.
  if not score or (bound and tonumber(score) > bound) then return -2 end
  local stored = redis.call('HGET', key, 'data')
  if not stored and data == '' then return -3 end
  if expected ~= '' and stored ~= expected then return -5 end
end
local function note_replay(id)
  redis.call('HSET', own_record(id), 'replayed', '{"at":' .. string.format('%.0f', now) .. ',"by":' .. cjson.encode(by)
    .. ',"from":' .. cjson.encode(from) .. ',"why":' .. cjson.encode(why) .. '}')
end
local function replay_job(at)
  local id, data, opts = ARGV[at], ARGV[at + 2], ARGV[at + 3]
  local key, record = P .. id, X .. 'job:' .. id
  local code = not_taken(id, key, ARGV[at + 1], data)
  if code or (KEYS[3] and ARGV[at + 4] == '') then return code or -5 end
  -- Nothing is refused from here on: the first write frees memory.
  redis.call('HDEL', key, unpack(ENDED_WITH))
  if data ~= '' then
    redis.call('HSET', key, 'data', data)
    redis.pcall('HDEL', record, 'raw:data', 'raw:opts')
  end
  if opts ~= '' then redis.call('HSET', key, 'opts', opts) end
  if KEYS[3] then
    copy_dead_letter(id, ARGV[at + 4], ARGV[at + 5], '', now)
    take_out(id)
  else
    revive(id)
    put_back(id, key)
    note_replay(id)
  end
  if operation == '' then audit('replay', id, 'failed', KEYS[3] and '' or 'waiting', by, from, why) end
  return 1
end
local function replay_jobs()
  return in_bulk(FIRST, STRIDE, replay_job)
end
