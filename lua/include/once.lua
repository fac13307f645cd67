-- A request sent twice (its reply was lost) is answered as the first one was. `lane` is one sequential sender that
-- numbers its requests: one that arrives late, after its successor, is answered from the record too and does nothing.
-- The number stands before the reply, in so many digits: the reply is unpacked only where it is asked for again.
local NUMBER_DIGITS = 15
local function reply_key(lane) return X .. 'reply:' .. lane end
local function replay(lane, request)
  local key = reply_key(lane)
  local last = tonumber(redis.call('GETRANGE', key, 0, NUMBER_DIGITS - 1))
  if not last or tonumber(request) > last then return nil end
  return cmsgpack.unpack(string.sub(redis.call('GET', key), NUMBER_DIGITS + 1))
end
local function remember(lane, request, reply, keep_ms)
  redis.call('SET', reply_key(lane), string.format('%015.0f', tonumber(request)) .. cmsgpack.pack(reply), 'PX', keep_ms)
end
