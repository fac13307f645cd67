--- @include "keys"
--- @include "now"
--- @include "types"
--- @include "fence"
--- @include "record"
--- @include "audit"
--- @include "sync_index"
--- @include "sync_end"
-- What both dialects do alike when a sync commits a batch: everything but telling the progress. `tell_progress` is the
-- dialect's own, and so are the list of keys that it writes and `follow`, which adds the jobs that come after a sync.
local id, token, number, plan = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]
local progress, changed, kept_most, last = ARGV[5], ARGV[6], tonumber(ARGV[7]), ARGV[8] == '1'
local history_ms, end_args = tonumber(ARGV[9]), tonumber(ARGV[10])
local END = 11
local record, items, due, seen = X .. 'job:' .. id, X .. 'items:' .. id, X .. 'retry:' .. id, X .. 'seen:' .. id
local function note_items(first)
  local overflow, failed = 0, {}
  for at = first, #ARGV, 4 do
    local item, state, note, after = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3]
    if state == 'retrying' then
      redis.call('HSET', items, item, note)
      redis.call('ZADD', due, now + tonumber(after), item)
    else
      redis.call('ZREM', due, item)
      if state == 'failed' then failed[#failed + 1] = item end
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
  if history_ms > 0 then count_failing(id, failed, history_ms) end
end
local function commit(tell_progress, written, follow)
  local code = refused(id, token)
  if code then return code end
  local wanted = { record, 'hash', items, 'hash', due, 'zset', seen, 'set', X .. 'audit', 'stream' }
  if number == 1 then wanted[#wanted + 1], wanted[#wanted + 2] = X .. 'syncs', 'zset' end
  for i = 1, #written do wanted[#wanted + 1] = written[i] end
  local wrong = end_misfit(id) or expect_types(wanted) or (end_args > END_FIXED and follow.refuse())
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
  redis.pcall('HDEL', X .. 'suspects', id)
  local counted = END + end_args
  local handled = tonumber(ARGV[counted])
  for first = counted + 1, counted + handled, 1000 do
    redis.call('SADD', seen, unpack(ARGV, first, math.min(first + 999, counted + handled)))
  end
  note_items(counted + handled + 1)
  if last then
    note_end(id, END, END + end_args - 1, history_ms, follow.add)
    redis.call('DEL', seen, due)
    redis.call('HDEL', record, 'hold')
  end
  log_entry('commit', id, 'changed', changed)
  if progress ~= '' then tell_progress(id, progress) end
  return paused
end
