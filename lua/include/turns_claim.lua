--- @include "turns_choose"
-- Runs a claim over the jobs whose turn it is, and over no others: these are out of its sight meanwhile. All of it is one
-- step for everybody else. The dialect's fragment says what is hidden (HIDDEN) and where tokens begin.
local INDEXED_MOST, BEHIND_MOST, BEHIND_REST_MS = 100, 1000, 5
local function aside(name) return T .. 'aside:' .. name end
local function hide()
  for _, name in ipairs(HIDDEN) do
    if redis.call('EXISTS', P .. name) == 1 then redis.call('RENAME', P .. name, aside(name)) end
  end
end
-- What the claim left of the chosen ones goes back to where it was; what it added meanwhile stays.
local function show(chosen)
  local left = redis.call('LRANGE', wait, 0, -1)
  redis.call('DEL', wait)
  for _, name in ipairs(HIDDEN) do
    if redis.call('EXISTS', aside(name)) == 1 then redis.call('RENAME', aside(name), P .. name) end
  end
  local by_id, batch = {}, new_batch()
  for _, one in ipairs(chosen) do by_id[one.id] = one end
  for _, id in ipairs(left) do
    local one = by_id[id]
    if one and put_back(id, one.score) then
      enter(batch, id, nil, nil, tonumber(one.score))
    elseif one then
      state.low = state.low - 1
      redis.call('RPUSH', wait, id)
      enter(batch, id, nil, state.low, tonumber(one.score))
    end
  end
  for i = #left, 1, -1 do
    if not by_id[left[i]] then redis.call('LPUSH', wait, left[i]) end
  end
  write_batch(batch)
end
local function arguments_for(chosen, wanted)
  local args = {}
  for i = 1, FIRST_TOKEN + #chosen do args[i] = ARGV[i] end
  args[4] = tostring(#chosen)
  args[#args + 1] = chosen.suspect and ARGV[FIRST_TOKEN + wanted + 1] or nil
  return args
end
-- Notes the runs that began, for the limits that count them.
local function note_begun(chosen)
  local ids, claimed = {}, 0
  for i, one in ipairs(chosen) do ids[i] = one.id end
  local leased = redis.call('SMISMEMBER', X .. 'leases', unpack(ids))
  for i, one in ipairs(chosen) do
    local names = {}
    for _, key in ipairs(leased[i] == 1 and keys_of(one.group) or {}) do
      if key.limit.running then names[#names + 1] = key.name end
      if key.limit.max then
        local list = T .. 'rate:' .. key.name
        local last = tonumber(redis.call('LINDEX', list, -1)) or 0
        redis.call('RPUSH', list, string.format('%.0f', math.max(last, one.times[key.name])))
        redis.call('LTRIM', list, -key.limit.max, -1)
        redis.call('PEXPIRE', list, key.limit.per + LATE_MS_MAX) -- who comes late finds it, and counts as on time
      end
    end
    if #names > 0 then begin_run(one.id, names) end
    -- It did not begin: the room that was kept for it is there.
    for _, key in ipairs(leased[i] == 0 and keys_of(one.group) or {}) do let_go(key.name) end
    claimed = claimed + leased[i]
  end
  return claimed
end
local function claim_in_turns(claim)
  local wanted = tonumber(ARGV[4])
  local wrong = turns_misfit() or claim_misfit()
  if wrong then return wrong end
  if replay(ARGV[1], ARGV[2]) or redis.call('EXISTS', X .. 'rest') == 1 or nothing_waits() then return claim(ARGV) end
  if not load_turns() then return -1 end
  -- The first write: refused when memory is out, before anything else is written.
  redis.call('HSET', turns, 'at', now)
  if not promote_first() then return nothing(1) end
  if redis.call('HEXISTS', turns, 'stale') == 1 then return nothing(BEHIND_REST_MS) end -- the index begins anew
  index_new(INDEXED_MOST, false)
  if behind() > BEHIND_MOST then
    save_turns()
    return nothing(BEHIND_REST_MS)
  end
  local chosen, rest = choose(wanted, ARGV[FIRST_TOKEN + wanted + 1] == '1')
  if #chosen == 0 then
    save_turns()
    return nothing(rest)
  end
  hide()
  for i = #chosen, 1, -1 do redis.call('RPUSH', wait, chosen[i].id) end
  local fine, reply = pcall(claim, arguments_for(chosen, wanted))
  show(chosen)
  save_turns()
  if not fine then error(reply) end
  local claimed = note_begun(chosen)
  if not reply.err and reply[2] == 0 and claimed < wanted and not nothing_waits() then
    reply[2] = claimed < #chosen and 1 or rest -- some were put back: the reply was full
  end
  return reply
end
