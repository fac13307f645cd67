-- Where an id is: its states in the order of SETS and LISTS, and how often each names it. SETS and LISTS are the
-- dialect's; `lists`: only in these. A key of a wrong type holds no id.
local function places_of(id, lists)
  local names, times = {}, {}
  for _, set in ipairs(SETS) do
    if type(redis.pcall('ZSCORE', P .. set, id)) == 'string' then
      names[#names + 1] = set
      times[set] = 1
    end
  end
  for _, list in ipairs(lists or LISTS) do
    local at = redis.pcall('LPOS', P .. list, id, 'COUNT', 0)
    if not at.err and #at > 0 then
      names[#names + 1] = list
      times[list] = #at
    end
  end
  return names, times
end
local function kind_of(id) return redis.call('TYPE', P .. id).ok end
local function is_held(id) return redis.call('EXISTS', P .. id .. ':lock') == 1 end
-- Takes an id out of every state, or of all but one.
local function leave_states(id, but)
  for _, set in ipairs(SETS) do
    if set ~= but then redis.call('ZREM', P .. set, id) end
  end
  for _, list in ipairs(LISTS) do
    if list ~= but then redis.call('LREM', P .. list, 0, id) end
  end
end
