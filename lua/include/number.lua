-- A number that somebody else wrote; what is none, or is not finite, counts as 0. Redis refuses such a number in the
-- middle of a script, when half of it is done.
local function number_of(text)
  local n = tonumber(text or 0)
  if not n or n ~= n or n == math.huge or n == -math.huge then return 0 end
  return n
end
