--- @include "types"
--- @include "bullmq/place"
local function copy_misfit()
  local wrong = expect_types({ P .. 'id', 'string', P .. 'wait', 'list', P .. 'paused', 'list', P .. 'meta', 'hash',
    P .. 'events', 'stream', P .. 'marker', 'zset' })
  local counter = not wrong and redis.call('GET', P .. 'id')
  if counter and not string.match(counter, '^%-?%d+$') then
    return redis.error_reply('WRONGKEY ' .. P .. 'id is not an integer')
  end
  return wrong
end
local function add_copy(name, data, opts, _, now)
  local id
  local meta = read_meta(P)
  repeat id = string.format('%.0f', redis.call('INCR', P .. 'id')) until redis.call('EXISTS', P .. id) == 0
  local job = { name = name, data = data, opts = opts, timestamp = string.format('%.0f', now), delay = '0', priority = '0' }
  write_job(meta, id, job)
  place_job(meta, id, job)
  settle(meta)
  return id
end
--- @include "dead_letter"
