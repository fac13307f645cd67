-- The debounce key ends with its job unless it has a ttl of its own (docs/wire/bull-4.md 4.6).
local function release_debounce(deid)
  if not deid or deid == '' then return end
  local left = redis.call('PTTL', P .. 'de:' .. deid)
  if left == -1 or left == 0 then redis.call('DEL', P .. 'de:' .. deid) end
end
