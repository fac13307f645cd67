--- @include "bull/own_key"
local function tell_buried(id, reason)
  redis.call('PUBLISH', P .. 'failed', '{"jobId":' .. cjson.encode(id) .. ',"val":' .. cjson.encode(reason) .. '}')
end
--- @include "bury"
