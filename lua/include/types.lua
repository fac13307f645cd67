-- Check before the first write: a key of the wrong type would stop a script half-way, and Redis rolls nothing back.
-- Answers an error that names key and type (nothing has been written by then), and which of the keys are there.
local function expect_types(wanted)
  local there = {}
  for i = 1, #wanted, 2 do
    local key, found = wanted[i], redis.call('TYPE', wanted[i]).ok
    if found == wanted[i + 1] then
      there[key] = true
    elseif found ~= 'none' then
      return redis.error_reply('WRONGKEY ' .. key .. ' is a ' .. found .. ', expected a ' .. wanted[i + 1])
    end
  end
  return nil, there
end
