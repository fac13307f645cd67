--- Ends runs well.
-- KEYS  P, X
-- ARGV  lane, request, reply kept ms, metrics points (0 = none), runs; then for each run: id, token, returnvalue (JSON),
--       its text in the event ('' = none, '=' = the same, '"…"' = as a JSON string, '{…}' = the whole payload), position
--       of its rules ('' = none). Rules: keep count ('' = all, 0 = none), keep age s ('' = any), debounce id
-- Reply for each run: 0 done, or -1 no such job, -2 no lock, -3 not in active, -6 another run's lock
-- Kept  every check before the first write; the lock goes first, so that a full memory cannot refuse the rest; a job
--       is in `active` or in `completed`; a stale run changes nothing; published after the state is written
-- Spec  docs/wire/bull-4.md 7
--- @include "keys"
--- @include "now"
--- @include "types"
--- @include "once"
--- @include "fence_batch"
--- @include "release"
--- @include "leave_active"
--- @include "bull/debounce"
--- @include "bull/retention"
--- @include "metrics"
--- @include "bull/bury"
local FIRST, STRIDE = 6, 5
local lane, request, keep_ms, points = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local before = replay(lane, request)
if before then return before end
local completed = P .. 'completed'
local wrong, there = expect_types({ P .. 'active', 'list', completed, 'zset', P .. 'stalled', 'set', P .. 'failed', 'zset',
  X .. 'leases', 'set', X .. 'leases:stalled', 'hash', P .. 'metrics:completed', 'hash',
  P .. 'metrics:completed:data', 'list' })
if wrong then return wrong end

local codes, keys, locks = refused_batch(FIRST, STRIDE, tonumber(ARGV[5]))
local mine = release_held(codes, locks, FIRST, STRIDE, there)
if #mine == 0 then return codes end

local added, done, ended, call = {}, 0, string.format('%.0f', now), redis.call
local was_active = leave_active(mine)
local function flush()
  if #added > 0 then call('ZADD', completed, unpack(added)) end
  added = {}
end
local function payload(id, result, val)
  if val == '=' then return '{"jobId":"' .. id .. '","val":"' .. result .. '"}' end
  if val == '' then return '{"jobId":"' .. id .. '"}' end
  if string.sub(val, 1, 1) == '{' then return val end
  return '{"jobId":"' .. id .. '","val":' .. val .. '}'
end
-- Where the job goes: nowhere, or into `completed`, trimmed by its own rules.
local function keep(id, key, result, count, age)
  if count == '0' then return delete_finished(id) end
  if type(redis.pcall('HSET', key, 'returnvalue', result, 'finishedOn', ended)) == 'table' then
    return bury(id, 'undecodable', 'the key of the job was replaced while it ran', now)
  end
  local n = #added
  added[n + 1], added[n + 2] = ended, id
  if count ~= '' or age ~= '' then
    flush()
    trim_finished(completed, tonumber(count), tonumber(age), now)
  end
end
for i = 1, #codes do
  if codes[i] == 0 then
    local at = FIRST + (i - 1) * STRIDE
    local id, result, rules = ARGV[at], ARGV[at + 2], tonumber(ARGV[at + 4])
    if not was_active[id] then
      codes[i] = -3
    else
      done = done + 1
      if rules then
        release_debounce(ARGV[rules + 2])
        keep(id, keys[i], result, ARGV[rules], ARGV[rules + 1])
      else
        keep(id, keys[i], result, '', '')
      end
      call('PUBLISH', completed, payload(id, result, ARGV[at + 3]))
    end
  end
end
flush()
count_metrics('completed', done, points, now)
remember(lane, request, codes, keep_ms)
return codes
