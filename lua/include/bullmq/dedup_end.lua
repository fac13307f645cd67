--- @include "number"
--- @include "bullmq/place"
-- A job that owned a deduplication id has ended (docs/wire/bullmq.md 6.1 step 8): the id is free unless it has a time to
-- live of its own, and the payload that was parked meanwhile becomes a job.
local function parked_job(fields, deid, now)
  local ok, opts = pcall(cjson.decode, fields[3] or '{}')
  opts = ok and type(opts) == 'table' and opts or {}
  local stamp = string.format('%.0f', now)
  return { name = fields[1] or '__default__', data = fields[2] or '{}', opts = fields[3] or '{}', timestamp = stamp,
    delay = math.max(math.floor(number_of(opts.delay)), 0), priority = math.max(math.floor(number_of(opts.priority)), 0),
    lifo = opts.lifo == true and '1' or '0', deid = deid, parent_key = fields[5] or nil, parent = fields[6] or nil,
    rjk = fields[8] or nil }
end
local function end_dedup(meta, deid, id, now)
  if not deid or deid == '' then return end
  local owner = P .. 'de:' .. deid
  local left = redis.call('PTTL', owner)
  if left == 0 or (left == -1 and redis.call('MGET', owner)[1] == id) then redis.call('DEL', owner) end
  local parked = P .. 'dn:' .. deid
  if redis.call('TYPE', parked).ok ~= 'hash' then return end
  local fields = redis.call('HMGET', parked, 'name', 'data', 'opts', 'jid', 'pk', 'pd', 'pdk', 'rjk')
  redis.call('DEL', parked)
  local counter = redis.pcall('INCR', P .. 'id')
  local new_id = fields[4] or (type(counter) == 'number' and string.format('%.0f', counter))
  if not new_id then return end
  local job = parked_job(fields, deid, now)
  write_job(meta, new_id, job)
  place_job(meta, new_id, job)
  settle(meta)
  redis.call('SET', owner, new_id)
  if fields[7] then redis.pcall('SADD', fields[7], P .. new_id) end
end
