--- @include "hold"
--- @include "audit"
-- What all acts on syncs need; the dialect's `mending`, `run_again` and `bring_forward` come before.
local WHO = 'bullock'
local function sync_misfit(id)
  return mending_misfit(id) or expect_types({ P .. id, 'hash', X .. 'job:' .. id, 'hash', X .. 'items:' .. id, 'hash',
    X .. 'retry:' .. id, 'zset' })
end
-- The state that a job is in; nil = there is no such job.
local function state_of(id)
  if is_own_key(id) or kind_of(id) ~= 'hash' then return nil end
  local place = places_of(id)[1] or 'stuck'
  return place == 'wait' and 'waiting' or place
end
local function has_body(id) return redis.call('HEXISTS', P .. id, 'data') == 1 end
-- Lets a sync go on that failed or is paused. 1 = it does, 2 = nothing was in its way, -1 = it has completed, -3 = it has no
-- body to run, -5 = a run holds it although it failed.
local function go_on(id, state)
  if state == 'completed' then return -1 end
  if state == 'failed' then
    if is_held(id) then return -5 end
    if not has_body(id) then return -3 end
    run_again(id, state, false, WHO)
    return 1
  end
  if not hold_of(id) then return 2 end
  redis.call('HDEL', X .. 'job:' .. id, 'hold')
  if state == 'delayed' then
    redis.call('ZREM', P .. 'delayed', id)
    bring_forward(id, WHO)
  end
  return 1
end
