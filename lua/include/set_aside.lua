--- @include "record"
-- Bytes that no reader could decode move from the hash to `X job:<id>`, so that getters of Node dashboards go on working
-- and no retry can run a handler on garbage: a hash without data and opts is never run. Answers the record.
local function set_aside(id)
  local raw, record = redis.call('HMGET', P .. id, 'data', 'opts'), own_record(id)
  if raw[1] then redis.call('HSET', record, 'raw:data', raw[1]) end
  if raw[2] then redis.call('HSET', record, 'raw:opts', raw[2]) end
  redis.call('HDEL', P .. id, 'data', 'opts')
  return record
end
