--- @include "turns_index"
-- Keeps the index true, and begins it anew when the limits are others than before.
local CHECKED_MOST = 100
-- Entries of jobs that are gone altogether: some at a time.
local function forget_gone()
  for _, id in ipairs(redis.call('HRANDFIELD', of, CHECKED_MOST)) do
    if redis.call('EXISTS', P .. id) == 0 then
      local group = redis.call('HGET', of, id)
      local score = redis.call('ZSCORE', seats, id)
      -- Listed without a body: the claim buries it.
      if not (score and redis.call('LPOS', wait, id, 'RANK', -1, 'MAXLEN', 1000)) then
        forget_entry(id, group)
        offer(group)
      end
    end
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
  if redis.call('EXISTS', of) == 1 then
    -- Nothing waits anywhere: whatever is left in the index is of jobs that somebody else took or removed.
    if nothing_waits() and not is_paused() then return drop_index() and 0 or 1 end
    forget_gone()
  end
  index_new(most, true)
  save_turns()
  return behind() > 0 and 1 or 0
end
