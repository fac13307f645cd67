-- Check before the first write: a key of the wrong type would stop a script half-way, and Redis rolls nothing back.
-- Answers an error that names key and type (nothing has been written by then), and which of the keys are there.
-- `seldom`: the same for keys that a plain queue has not; one call tells that none of them is there.
local function expect_types(wanted, seldom)
  local there = {}
  local function misfit(pairs_of_key_and_type)
    for i = 1, #pairs_of_key_and_type, 2 do
      local key, expected = pairs_of_key_and_type[i], pairs_of_key_and_type[i + 1]
      local found = redis.call('TYPE', key).ok
      if found == expected then
        there[key] = true
      elseif found ~= 'none' then
        return redis.error_reply('WRONGKEY ' .. key .. ' is a ' .. found .. ', expected a ' .. expected)
      end
    end
  end
  local wrong = misfit(wanted)
  if seldom and not wrong then
    local keys = {}
    for i = 1, #seldom, 2 do keys[#keys + 1] = seldom[i] end
    wrong = redis.call('EXISTS', unpack(keys)) > 0 and misfit(seldom) or nil
  end
  return wrong, there
end
