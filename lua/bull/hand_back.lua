--- Gives jobs back unfinished and unspent: at shutdown, when a backend asks for time, when a handler was never started.
-- KEYS  P, X
-- ARGV  lane, request, reply kept ms, rest ms (0, or how long the whole queue rests); then for each run: id, token,
--       delay ms ('' = to the consumer end of waiting,
--       `hold` = as long as a person has paused it), low bits of a delayed score, most deferrals ('' = not counted)
-- Reply for each run: 0 done, or -1 no such job, -2 no lock, -3 not in active, -6 another run's lock, -8 deferred too
--       often (nothing was written)
-- Kept  no attempt is spent and no field of the job changes; a priority is inserted anew by Bull's rule
--- @include "keys"
--- @include "now"
--- @include "types"
--- @include "once"
--- @include "fence_batch"
--- @include "release"
--- @include "leave_active"
--- @include "bull/waiting"
--- @include "suspects"
--- @include "hold"
local FIRST, STRIDE = 5, 5
local lane, request, keep_ms, rest = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local before = replay(lane, request)
if before then return before end
local wrong, there = expect_types({ P .. 'active', 'list', P .. 'stalled', 'set', P .. 'delayed', 'zset', P .. 'wait', 'list',
  P .. 'paused', 'list', P .. 'priority', 'zset', X .. 'leases', 'set', X .. 'leases:stalled', 'hash',
  X .. 'suspects', 'hash' })
if wrong then return wrong end
local codes, _, locks = refused_batch(FIRST, STRIDE, (#ARGV - FIRST + 1) / STRIDE)
-- Only read here: counting comes after the DEL of the lock, or a full memory would refuse it.
local function too_often(id, most)
  if most == '' then return false end
  local record = X .. 'job:' .. id
  local deferrals = redis.pcall('HGET', record, 'deferrals')
  return type(deferrals) == 'string' and number_of(deferrals) >= tonumber(most) and is_about(record, id)
end
for i = 1, #codes do
  local at = FIRST + (i - 1) * STRIDE
  if codes[i] == 0 and too_often(ARGV[at], ARGV[at + 4]) then codes[i] = -8 end
end
there[suspects] = nil -- a run that was stopped clears nobody
local mine = release_held(codes, locks, FIRST, STRIDE, there)
if #mine == 0 then return codes end
local was_active = leave_active(mine)
for i = 1, #codes do
  if codes[i] == 0 then
    local at = FIRST + (i - 1) * STRIDE
    local id, delay = ARGV[at], ARGV[at + 2]
    local held = delay == 'hold'
    if held then delay = hold_of(id) and HOLD_MS or '' end
    if ARGV[at + 4] ~= '' then
      count_up(own_record(id), 'deferrals')
      redis.call('HDEL', suspects, id) -- its handler has answered
    elseif held then
      redis.call('HDEL', suspects, id)
    else
      stand_in_line(id)
    end
    if not was_active[id] then
      codes[i] = -3
    elseif delay ~= '' then
      local score = (now + tonumber(delay)) * 4096 + tonumber(ARGV[at + 3])
      redis.call('ZADD', P .. 'delayed', score, id)
      redis.call('PUBLISH', P .. 'delayed', score / 4096)
    else
      local list, priority = target_list(), priority_of(id)
      if priority ~= 0 then
        insert_by_priority(list, id, priority)
      else
        redis.call('RPUSH', list, id)
      end
    end
  end
end
if rest > 0 then redis.call('SET', X .. 'rest', 1, 'PX', rest) end
remember(lane, request, codes, keep_ms)
return codes
