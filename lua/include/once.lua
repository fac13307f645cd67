-- A request sent twice (its reply was lost) is answered as the first one was. `lane` is one sequential sender;
-- it never has two requests under way, so its last request is enough.
local function reply_key(lane) return X .. 'reply:' .. lane end
local function replay(lane, request)
  local stored = redis.call('GET', reply_key(lane))
  if not stored then return nil end
  local last = cmsgpack.unpack(stored)
  if last[1] == request then return last[2] end
end
local function remember(lane, request, reply, keep_ms)
  redis.call('SET', reply_key(lane), cmsgpack.pack({ request, reply }), 'PX', keep_ms)
end
