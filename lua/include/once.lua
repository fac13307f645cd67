-- A request sent twice (its reply was lost) is answered as the first one was. `lane` is one sequential sender that
-- numbers its requests: one that arrives late, after its successor, is answered from the record too and does nothing.
local function reply_key(lane) return X .. 'reply:' .. lane end
local function replay(lane, request)
  local stored = redis.call('GET', reply_key(lane))
  if not stored then return nil end
  local last = cmsgpack.unpack(stored)
  if tonumber(request) <= last[1] then return last[2] end
end
local function remember(lane, request, reply, keep_ms)
  redis.call('SET', reply_key(lane), cmsgpack.pack({ tonumber(request), reply }), 'PX', keep_ms)
end
