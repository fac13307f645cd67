--- Ends runs well.
-- KEYS  P, X
-- ARGV  lane, request, reply kept ms, metrics points (0 = none), runs; position of the texts ('' = every result stands
--       for itself in its event), position of the rules ('' = none has any); then for each run: id, token, returnvalue (JSON).
--       Texts, one for each run: what the event says ('' = no result, '=' = the same, '"…"' = as a JSON string,
--       '{…}' = the whole payload). Rules: number of the run, keep count ('' = all, 0 = none), keep age s ('' = any),
--       debounce id
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
local FIRST, STRIDE, RULES_STRIDE = 8, 3, 4
local lane, request, keep_ms, points, runs = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
local texts, rules_at = tonumber(ARGV[6]), tonumber(ARGV[7])
local before = replay(lane, request)
if before then return before end
local completed = P .. 'completed'
local wrong, there = expect_types({ P .. 'active', 'list', completed, 'zset', X .. 'leases', 'set' },
  { P .. 'stalled', 'set', P .. 'failed', 'zset', X .. 'leases:stalled', 'hash', X .. 'suspects', 'hash',
    P .. 'metrics:completed', 'hash',
    P .. 'metrics:completed:data', 'list' })
if wrong then return wrong end

local codes, keys, locks = refused_batch(FIRST, STRIDE, runs)
local mine = release_held(codes, locks, FIRST, STRIDE, there)
if #mine == 0 then return codes end

local added, done, ended, call, try, args = {}, 0, string.format('%.0f', now), redis.call, redis.pcall, ARGV
local was_active = leave_active(mine)
local rules = {}
for at = rules_at or #args + 1, #args, RULES_STRIDE do rules[tonumber(args[at])] = at end
local function flush()
  if #added > 0 then call('ZADD', completed, unpack(added)) end
  added = {}
end
local function payload(id, result, text)
  if text == '=' then return '{"jobId":"' .. id .. '","val":"' .. result .. '"}' end
  if text == '' then return '{"jobId":"' .. id .. '"}' end
  if string.sub(text, 1, 1) == '{' then return text end
  return '{"jobId":"' .. id .. '","val":' .. text .. '}'
end
-- Into `completed`, or to the dead letters: 0, 1 and 2 are the answers of HSET when it wrote.
local function keep(id, key, result)
  local wrote = try('HSET', key, 'returnvalue', result, 'finishedOn', ended)
  if wrote == 2 or wrote == 0 or wrote == 1 then
    local n = #added
    added[n + 1], added[n + 2] = ended, id
  else
    bury(id, 'undecodable', 'the key of the job was replaced while it ran', now)
  end
end
local function keep_by(rule, id, key, result)
  local count, age = args[rule + 1], args[rule + 2]
  release_debounce(args[rule + 3])
  if count == '0' then return delete_finished(id) end
  keep(id, key, result)
  if count ~= '' or age ~= '' then
    flush()
    trim_finished(completed, tonumber(count), tonumber(age), now)
  end
end
for i = 1, runs do
  if codes[i] == 0 then
    local at = FIRST + (i - 1) * STRIDE
    local id, result = args[at], args[at + 2]
    if was_active[id] then
      done = done + 1
      if rules[i] then keep_by(rules[i], id, keys[i], result) else keep(id, keys[i], result) end
      call('PUBLISH', completed, payload(id, result, texts and args[texts + i - 1] or '='))
    else
      codes[i] = -3
    end
  end
end
flush()
count_metrics('completed', done, points, now)
remember(lane, request, codes, keep_ms)
return codes
