--- @include "keys"
--- @include "now"
--- @include "types"
--- @include "fence"
--- @include "record"
--- @include "audit"
--- @include "sync_index"
-- What both dialects do alike when a sync commits a batch: everything but telling the progress. `tell_progress` is the
-- dialect's own, and so is the list of keys that it writes.
local id, token, number, plan = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]
local progress, changed, kept_most, last = ARGV[5], ARGV[6], tonumber(ARGV[7]), ARGV[8] == '1'
local record, items, due, seen = X .. 'job:' .. id, X .. 'items:' .. id, X .. 'retry:' .. id, X .. 'seen:' .. id
local function note_items(first)
  local overflow = 0
  for at = first, #ARGV, 4 do
    local item, state, note, after = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3]
    if state == 'retrying' then
      redis.call('HSET', items, item, note)
      redis.call('ZADD', due, now + tonumber(after), item)
    else
      redis.call('ZREM', due, item)
      if state == 'done' then
        redis.call('HDEL', items, item)
      elseif redis.call('HEXISTS', items, item) == 1 or redis.call('HLEN', items) < kept_most then
        redis.call('HSET', items, item, note)
      else
        overflow = overflow + 1
      end
    end
  end
  if overflow > 0 then count_by(record, 'items_dropped', overflow) end
end
local function commit(tell_progress, written)
  local code = refused(id, token)
  if code then return code end
  local wanted = { record, 'hash', items, 'hash', due, 'zset', seen, 'set', X .. 'audit', 'stream' }
  if number == 1 then wanted[#wanted + 1], wanted[#wanted + 2] = X .. 'syncs', 'zset' end
  for i = 1, #written do wanted[#wanted + 1] = written[i] end
  local wrong = expect_types(wanted)
  if wrong then return wrong end
  own_record(id)
  local before = redis.call('HMGET', record, 'commits', 'hold')
  local paused = before[2] and not last and 1 or 0
  if math.floor(number_of(before[1])) >= number then return paused end -- sent twice
  if number == 1 then
    redis.call('DEL', items, due, seen) -- left by an earlier job of this id
    index_sync(X .. 'syncs', id, true)
  end
  redis.call('HSET', record, 'plan', plan, 'commits', ARGV[3])
  redis.call('HDEL', record, 'own_crashes') -- it has moved: deaths before that are not its doing
  local handled = tonumber(ARGV[9])
  for first = 10, 9 + handled, 1000 do
    redis.call('SADD', seen, unpack(ARGV, first, math.min(first + 999, 9 + handled)))
  end
  note_items(10 + handled)
  if last then
    redis.call('DEL', seen, due)
    redis.call('HDEL', record, 'hold')
  end
  log_entry('commit', id, 'changed', changed)
  if progress ~= '' then tell_progress(id, progress) end
  return paused
end
