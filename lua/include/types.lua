-- Check before the first write: a key of the wrong type would stop a script half-way, and Redis rolls nothing back.
-- Answers with an error that names key and type; nothing has been written by then.
local function expect_types(wanted)
  for i = 1, #wanted, 2 do
    local found = redis.call('TYPE', wanted[i]).ok
    if found ~= wanted[i + 1] and found ~= 'none' then
      return redis.error_reply('WRONGKEY ' .. wanted[i] .. ' is a ' .. found .. ', expected a ' .. wanted[i + 1])
    end
  end
end
