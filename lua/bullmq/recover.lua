--- Takes back the jobs of our workers that died: their lease ran out, so waiting gets them again.
-- KEYS  P, X
-- ARGV  for each run whose lease this worker lost, which shows that it lives: id, token
-- Reply ms until the next lease runs out ('' = there is none), then for each recovered job: id, crashes so far
-- Kept  recovered only if the lock is absent, the id is in `active`, and BullMQ's stall counter is what it was at claim;
--       otherwise another worker has taken the job over and only the entry goes; a crash is no attempt; every job
--       whose worker died is a suspect, after the second death in a row it runs alone, and only one that did is charged
-- Lease the lock's own time to live; `X leases` names the locks that are ours
-- Spec  docs/wire/bullmq.md 5, 15
--- @include "keys"
--- @include "now"
--- @include "types"
--- @include "bullmq/target"
--- @include "bullmq/marker"
--- @include "bullmq/event"
--- @include "bullmq/bury"
--- @include "suspects"
--- @include "bullmq/cancelled"
local leases, call = X .. 'leases', redis.call
local wrong = expect_types({ P .. 'active', 'list', P .. 'stalled', 'set', P .. 'wait', 'list', P .. 'paused', 'list',
  P .. 'failed', 'zset', P .. 'meta', 'hash', P .. 'events', 'stream', P .. 'marker', 'zset', leases, 'set',
  P .. 'delayed', 'zset', P .. 'prioritized', 'zset', X .. 'leases:stalled', 'hash', X .. 'suspects', 'hash',
  P .. 'completed', 'zset' })
if wrong then return wrong end
local reply, nearest, meta = { '' }, nil, nil
local function forget(id)
  call('SREM', leases, id)
  call('HDEL', X .. 'leases:stalled', id)
end
-- The lock is gone: is the job still where its worker left it?
local function take_back(id)
  if not call('LPOS', P .. 'active', id) then return end
  local fields = redis.pcall('HMGET', P .. id, 'data', 'opts', 'stc', 'pb')
  if fields.err or not (fields[1] or fields[2]) then
    call('LREM', P .. 'active', -1, id)
    bury(id, fields.err and 'undecodable' or 'body_missing', 'the data of the job vanished while it ran', now)
  elseif fields[3] == call('HGET', X .. 'leases:stalled', id) then
    meta = meta or read_meta(P)
    call('LREM', P .. 'active', -1, id)
    call('SREM', P .. 'stalled', id)
    local mark = cancel_mark(id)
    if mark then return end_cancelled(meta, id, mark, 'active') end
    call('RPUSH', target_list(meta), id)
    mark_ready(meta)
    emit_untrimmed(P, 'waiting', 'jobId', id, 'prev', 'active')
    emit_untrimmed(P, 'stalled', 'jobId', id)
    local n = #reply
    reply[n + 1], reply[n + 2] = id, note_crash(id, fields[4], now)
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
