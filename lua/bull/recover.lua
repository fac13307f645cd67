--- Takes back the jobs of our workers that died: their lease ran out, so waiting gets them again.
-- KEYS  P, X
-- ARGV  for each run whose lease this worker lost, which shows that it lives: id, token
-- Reply ms until the next lease runs out ('' = there is none), then for each recovered job: id, crashes so far
-- Kept  recovered only if the lock is absent, the id is in `active`, and Bull's stall counter is what it was at claim;
--       otherwise another worker has taken the job over and only the entry goes; a crash is no attempt; every job
--       whose worker died is a suspect, after the second death in a row it runs alone, and only one that did is charged
-- Lease the lock's own time to live; `X leases` names the locks that are ours
-- Spec  docs/wire/bull-4.md 6.3
--- @include "keys"
--- @include "now"
--- @include "types"
--- @include "bull/target"
--- @include "bull/bury"
--- @include "suspects"
--- @include "bull/cancelled"
local leases, call = X .. 'leases', redis.call
local wrong = expect_types({ P .. 'active', 'list', P .. 'stalled', 'set', P .. 'wait', 'list', P .. 'paused', 'list',
  P .. 'failed', 'zset', P .. 'completed', 'zset',
  leases, 'set', X .. 'leases:stalled', 'hash', X .. 'suspects', 'hash' })
if wrong then return wrong end
local reply, nearest = { '' }, nil
local function forget(id)
  call('SREM', leases, id)
  call('HDEL', X .. 'leases:stalled', id)
end
-- Is Bull's stall counter what it was at claim? Noted there for jobs that ran before; a retry by hand hides that a job ran.
local function as_claimed(id, stalls, retried)
  local noted = call('HGET', X .. 'leases:stalled', id)
  return stalls == noted or (not noted and retried)
end
-- The lock is gone: is the job still where its worker left it?
local function take_back(id)
  if not call('LPOS', P .. 'active', id) then return end
  local fields = redis.pcall('HMGET', P .. id, 'data', 'stalledCounter', 'retriedOn')
  if fields.err or not fields[1] then
    call('LREM', P .. 'active', -1, id)
    bury(id, fields.err and 'undecodable' or 'body_missing', 'the data of the job vanished while it ran', now)
  elseif as_claimed(id, fields[2], fields[3]) then
    call('LREM', P .. 'active', -1, id)
    call('SREM', P .. 'stalled', id)
    local mark = cancel_mark(id)
    if mark then return end_cancelled(id, mark) end
    call('RPUSH', target_list(), id)
    call('PUBLISH', P .. 'stalled@', id)
    local n = #reply
    reply[n + 1], reply[n + 2] = id, note_crash(id, nil, now)
  else
    stand_in_line(id)
  end
end
for _, id in ipairs(call('SMEMBERS', leases)) do
  local lock = P .. id .. ':lock'
  local left, holder = call('PTTL', lock), redis.pcall('GET', lock)
  if left == -2 then
    take_back(id)
    forget(id)
  elseif type(holder) ~= 'string' or not string.find(holder, '^[^:]+:%x+$') then
    stand_in_line(id)
    forget(id) -- a Node worker's lock
  elseif left >= 0 and (not nearest or left < nearest) then
    nearest = left
  end
end
for i = 1, #ARGV, 2 do absolve(ARGV[i], ARGV[i + 1]) end
prune_suspects()
if nearest then reply[1] = string.format('%.0f', nearest) end
return reply
