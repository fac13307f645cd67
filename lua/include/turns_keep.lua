--- @include "turns_index"
--- @include "turns_running"
-- Keeps the index true, and begins it anew when the limits are others than before.
local CHECKED_MOST, LOOKED_AT_MOST = 50, 1000
-- Entries of jobs that are gone altogether, and what a hand may have damaged: some at a time.
local function mend_entries()
  local offered = {}
  for _, id in ipairs(redis.call('HRANDFIELD', of, CHECKED_MOST)) do
    local group, seat = redis.call('HGET', of, id), redis.call('ZSCORE', seats, id)
    -- A job that is listed without a body is left to the claim, which buries it.
    local is_gone = redis.call('EXISTS', P .. id) == 0
      and not (seat and redis.call('LPOS', wait, id, 'RANK', -1, 'MAXLEN', LOOKED_AT_MOST))
    if is_gone or not redis.call('ZSCORE', line_of(group), id) then forget_entry(id, group) end
    if not offered[group] then offer(group) end
    offered[group] = true
  end
  for _, id in ipairs(redis.call('ZRANDMEMBER', seats, CHECKED_MOST)) do
    if redis.call('HEXISTS', of, id) == 0 then redis.call('ZREM', seats, id) end
  end
end
local function keep_index(asked, most)
  local wrong = turns_misfit() or claim_misfit()
  if wrong then return wrong end
  local said = redis.call('HGET', turns, 'conf')
  if asked ~= '' and asked ~= said then
    redis.call('HSET', turns, 'conf', asked, 'stale', 1)
  elseif not said then
    return -1
  end
  redis.call('HSET', turns, 'at', now)
  load_turns()
  if redis.call('HEXISTS', turns, 'stale') == 1 then
    if not drop_index() then return 1 end
    redis.call('HDEL', turns, 'stale')
    load_turns()
  end
  end_unleased(redis.call('HRANDFIELD', running, CHECKED_MOST))
  if redis.call('EXISTS', of) == 1 then
    -- Nothing waits anywhere: whatever is left in the index is of jobs that somebody else took or removed.
    if nothing_waits() and not is_paused() then return drop_index() and 0 or 1 end
    mend_entries()
  end
  index_new(most, true)
  save_turns()
  return behind() > 0 and 1 or 0
end
