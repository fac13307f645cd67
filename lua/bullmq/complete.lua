--- Ends runs well.
-- KEYS  P, X
-- ARGV  lane, request, reply kept ms, metrics points (0 = none), runs, how many fields the hash of each has now if all were
--       plain when they were claimed ('' = some was not), position of the rules ('' = none has any); then for each run: id,
--       token, returnvalue (JSON). Rules: number of the run, keep count ('' = all, 0 = none), keep age s ('' = any), most
--       that are removed by age ('' = 1000)
-- Reply for each run: 0 done, or -1 no such job, -2 no lock, -3 not in active, -4 children are pending, -6 another run's
--       lock, -9 a child failed whose failure fails this job (-4, -9: nothing was written, the run still holds the job)
-- Kept  every check before the first write; the lock goes first, so that a full memory cannot refuse the rest; a job
--       is in `active` or in `completed`; a stale run changes nothing; a parent is released once
-- Spec  docs/wire/bullmq.md 6.1, 9
--- @include "keys"
--- @include "now"
--- @include "types"
--- @include "once"
--- @include "release"
--- @include "leave_active"
--- @include "metrics"
--- @include "bullmq/ending"
local FIRST, STRIDE, RULES_STRIDE = 8, 3, 4
local lane, request, keep_ms, points, runs = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
local plain_size, has_rules = tonumber(ARGV[6]), ARGV[7] ~= ''
local before = replay(lane, request)
if before then return before end
local wrong, there = expect_types(ENDING, seldom_at_ends('completed'))
if wrong then return wrong end
local meta, ended, call, try, args = read_meta(P), string.format('%.0f', now), redis.call, redis.pcall, ARGV
local events = P .. 'events'

-- Runs of plain jobs that all hold them: nothing is to be read but how many fields each hash has. As many as the claim
-- left: no parent took it on since (`parentKey`), no child that takes it along has failed (`defa`, which comes with
-- `unsuccessful`), and no other field is there that an end looks at.
local function all_plain(keys, locks)
  local children, base, at = {}, P, FIRST
  for i = 1, runs do
    local key = base .. args[at]
    keys[i], locks[i], children[i] = key, key .. ':lock', key .. ':dependencies'
    at = at + STRIDE
  end
  local holders = call('MGET', unpack(locks))
  at = FIRST + 1
  for i = 1, runs do
    if holders[i] ~= args[at] or try('HLEN', keys[i]) ~= plain_size then return false end
    at = at + STRIDE
  end
  return call('EXISTS', unpack(children)) == 0
end
local function complete_plain(keys, locks)
  local codes = {}
  for i = 1, runs do codes[i] = 0 end
  local was_active = leave_active(release_held(codes, locks, FIRST, STRIDE, there))
  trim_events(meta)
  local added, n, at = {}, 0, FIRST
  for i = 1, runs do
    local id, result = args[at], args[at + 2]
    if was_active[id] then
      call('HSET', keys[i], 'returnvalue', result, 'finishedOn', ended, 'atm', '1')
      call('XADD', events, '*', 'event', 'completed', 'jobId', id, 'returnvalue', result, 'prev', 'active')
      added[n + 1], added[n + 2] = ended, id
      n = n + 2
    else
      codes[i] = -3
    end
    at = at + STRIDE
  end
  if n > 0 then call('ZADD', P .. 'completed', unpack(added)) end
  return codes, n / 2
end

-- Any others. What only few jobs need is made when there is one.
local function complete_any()
--- @include "fence_batch"
--- @include "bullmq/read_ends"
--- @include "bullmq/child"
--- @include "bullmq/dedup_end"
--- @include "bullmq/retention"
--- @include "bullmq/bury"
  local codes, keys, locks = refused_batch(FIRST, STRIDE, runs)

  -- What keeps a job from completing: nil = nothing.
  local function held_by_children(key)
    if redis.call('SCARD', key .. ':dependencies') > 0 then return -4 end
    if redis.call('ZCARD', key .. ':unsuccessful') > 0 then return -9 end
  end
  local children, n = {}, 0
  for i = 1, runs do
    if codes[i] == 0 then
      local key = keys[i]
      children[n + 1], children[n + 2] = key .. ':dependencies', key .. ':unsuccessful'
      n = n + 2
    end
  end
  if n == 0 then return codes end
  local has_parents_among = redis.call('EXISTS', unpack(children)) > 0
  if has_parents_among then
    local wanted = {}
    for i = 1, n do wanted[2 * i - 1], wanted[2 * i] = children[i], i % 2 == 1 and 'set' or 'zset' end
    wrong = expect_types(wanted)
    if wrong then return wrong end
  end
  local ends, parents, wrong_parent = read_ends(codes, keys)
  if wrong_parent then return wrong_parent end

  local done, rules, keeper = 0, {}, nil
  for at = tonumber(ARGV[7]) or #ARGV + 1, #ARGV, RULES_STRIDE do rules[tonumber(ARGV[at])] = at end
  local function write_end(key, result, made)
    call('HSET', key, 'returnvalue', result, 'finishedOn', ended, 'atm', made and number_of(made) + 1 or '1')
  end
  local function end_by_rule(id, key, result, made, rule)
    local count, age, limit = args[rule + 1], args[rule + 2], args[rule + 3]
    if count == '0' then
      keeper.drop(id)
    else
      write_end(key, result, made)
      keeper.keep(id, count, age, limit)
    end
  end
  local function complete(i, id, result)
    local key, found = keys[i], ends[i]
    if found.err then return bury(id, 'undecodable', 'the key of the job was replaced while it ran', now) end
    if found[2] then end_dedup(meta, found[2], id, now) end
    if parents[i] then child_completed(parents[i], key, result, now) end
    if rules[i] then
      end_by_rule(id, key, result, found[3], rules[i])
    else
      write_end(key, result, found[3])
      keeper.keep(id)
    end
    call('XADD', events, '*', 'event', 'completed', 'jobId', id, 'returnvalue', result, 'prev', 'active')
    done = done + 1
  end
  if has_parents_among then
    for i = 1, #codes do
      if codes[i] == 0 then codes[i] = held_by_children(keys[i]) or 0 end
    end
  end
  local mine = release_held(codes, locks, FIRST, STRIDE, there)
  if #mine == 0 then return codes end
  trim_events(meta)
  keeper = new_keeper(P .. 'completed', now)
  local was_active = leave_active(mine)
  -- Was it waiting for a child that completed before it in this very batch?
  local function is_free_now(i, id)
    if (codes[i] ~= -4 and codes[i] ~= -9) or held_by_children(keys[i]) then return false end
    local only = {}
    for other = 1, #codes do only[other] = other == i and 0 or -1 end
    release_held(only, locks, FIRST, STRIDE, there)
    was_active[id] = leave_active({ id })[id]
    return true
  end
  local at = FIRST
  for i = 1, runs do
    local id = args[at]
    if codes[i] == 0 or is_free_now(i, id) then
      if was_active[id] then
        codes[i] = 0
        complete(i, id, args[at + 2])
      else
        codes[i] = -3
      end
    end
    at = at + STRIDE
  end
  keeper.close()
  return codes, done
end

local codes, done
local keys, locks = {}, {}
if plain_size and not has_rules and all_plain(keys, locks) then
  codes, done = complete_plain(keys, locks)
else
  codes, done = complete_any()
  if not done then return codes end
end
count_metrics('completed', done, points, now)
if done > 0 then end_batch(meta, true) end
remember(lane, request, codes, keep_ms)
return codes
