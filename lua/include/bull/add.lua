--- @include "bull/waiting"
--- @include "bull/own_key"
-- Adds one job (docs/wire/bull-4.md 4.1). `job`: id ('' = counted), name, data, opts_head, opts_tail, timestamp ('' =
-- now), delay, priority, lifo, deid, de_ttl. The opts text is complete in opts_head, or split where the time belongs.
-- Returns the id, and 1 when no job was written because it (or its debounce id) exists.
local function add_job(job, token, now)
  local counter = redis.call('INCR', P .. 'id')
  -- A number that somebody used as an id is passed over (Bull overwrites that job, Q9).
  while job.id == '' and redis.call('EXISTS', P .. string.format('%.0f', counter)) == 1 do
    counter = redis.call('INCR', P .. 'id')
  end
  local id = job.id ~= '' and job.id or string.format('%.0f', counter)
  local key = P .. id
  if job.id ~= '' and redis.call('EXISTS', key) == 1 then
    redis.call('PUBLISH', P .. 'duplicated@' .. token, id)
    return id, 1
  end
  if job.deid ~= '' then
    local marker = P .. 'de:' .. job.deid
    local won
    if job.de_ttl ~= '' then
      won = redis.call('SET', marker, id, 'NX', 'PX', job.de_ttl)
    else
      won = redis.call('SET', marker, id, 'NX')
    end
    if not won then
      local holder = redis.call('MGET', marker)[1] or ''
      -- Without a time to live it ends with its job. That job is gone: so is the reason to wait.
      if redis.call('PTTL', marker) == -1 and redis.call('EXISTS', P .. holder) == 0 then
        redis.call('SET', marker, id)
        won = true
      end
      if not won then
        redis.call('PUBLISH', P .. 'debounced@' .. token, holder)
        return holder, 1
      end
    end
  end
  local time = job.timestamp ~= '' and job.timestamp or string.format('%.0f', now)
  local opts = job.opts_head
  if job.opts_tail ~= '' then opts = opts .. time .. job.opts_tail end
  redis.call('HSET', key, 'name', job.name, 'data', job.data, 'opts', opts,
    'timestamp', time, 'delay', job.delay, 'priority', job.priority)
  if job.deid ~= '' then redis.call('HSET', key, 'deid', job.deid) end
  local delay = tonumber(job.delay)
  if delay > 0 then
    local due = tonumber(time) + delay
    redis.call('ZADD', P .. 'delayed', due * 4096 + counter % 4096, id)
    redis.call('PUBLISH', P .. 'delayed', due)
    return id, 0
  end
  local list = target_list()
  local priority = tonumber(job.priority)
  if priority ~= 0 then
    insert_by_priority(list, id, priority)
  else
    redis.call(job.lifo == '1' and 'RPUSH' or 'LPUSH', list, id)
  end
  redis.call('PUBLISH', P .. 'waiting@' .. token, id)
  return id, 0
end
-- Check before the first add: the counter, and ids that are keys of the queue itself. `first`: position of the first id.
local function refuse_adds(first, stride)
  local counter = redis.call('GET', P .. 'id')
  if counter and not string.match(counter, '^%-?%d+$') then
    return redis.error_reply('WRONGKEY ' .. P .. 'id is not an integer')
  end
  for at = first, #ARGV, stride do
    if is_own_key(ARGV[at]) then
      return redis.error_reply('WRONGKEY ' .. P .. ARGV[at] .. ' is a key of the queue itself: no job id can be "'
        .. ARGV[at] .. '"')
    end
  end
end
