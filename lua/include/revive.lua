-- A person gives a dead letter another chance: its crashes and the reason start anew; what its attempts said stays.
local function revive(id)
  local record = X .. 'job:' .. id
  local crashes = redis.pcall('HGET', record, 'crashes')
  local fields = { 'reason', 'buried_at', 'crashes', 'own_crashes', 'crashed_run', 'cancel', 'cancelled', 'hold' }
  local last = type(crashes) == 'string' and tonumber(crashes) or 0
  for n = math.max(1, last - 19), last do fields[#fields + 1] = 'crash:' .. string.format('%.0f', n) end
  redis.pcall('HDEL', record, unpack(fields))
  redis.pcall('HDEL', X .. 'suspects', id)
end
