--- @include "bullmq/own_key"
--- @include "bullmq/place"
--- @include "bullmq/dedup"
--- @include "bullmq/parent"
-- Adding jobs as producers ask for it (docs/wire/bullmq.md 3).

-- One job of the request, from position `at` of ARGV: id ('' = the counter's), name, data, opts, timestamp ('' = now),
-- delay, priority, lifo, and how many of the pairs follow that few jobs have (see place and dedup). Returns it and where
-- the next one begins.
local function read_job(at, now)
  local job = { asked_id = ARGV[at], name = ARGV[at + 1], data = ARGV[at + 2], opts = ARGV[at + 3],
    timestamp = ARGV[at + 4], delay = ARGV[at + 5], priority = ARGV[at + 6], lifo = ARGV[at + 7] }
  if job.timestamp == '' then job.timestamp = string.format('%.0f', now) end
  local last = at + 8 + 2 * tonumber(ARGV[at + 8])
  for i = at + 9, last, 2 do job[ARGV[i]] = ARGV[i + 1] end
  return job, last + 1
end
-- Check before the first write: types, counters, ids that are keys of the queue itself.
local function refuse_adds(base, jobs)
  local wanted = { base .. 'id', 'string', base .. 'meta', 'hash', base .. 'wait', 'list', base .. 'paused', 'list',
    base .. 'active', 'list', base .. 'marker', 'zset', base .. 'events', 'stream' }
  local seen = {}
  local function want(key, kind)
    if seen[key] then return end
    seen[key] = true
    wanted[#wanted + 1] = key
    wanted[#wanted + 1] = kind
  end
  for _, job in ipairs(jobs) do
    if is_own_key(job.asked_id) then
      return redis.error_reply('WRONGKEY ' .. base .. job.asked_id .. ' is a key of the queue itself: no job id can be "'
        .. job.asked_id .. '"')
    end
    if job.delay ~= '0' or job.deid then want(base .. 'delayed', 'zset') end
    if job.priority ~= '0' then want(base .. 'prioritized', 'zset') end
    if job.has_children then want(base .. 'waiting-children', 'zset') end
    if job.deid then want(base .. 'de:' .. job.deid, 'string') end
    local parent = parent_of(job.parent_key, job.parent)
    if parent then
      want(base .. 'completed', 'zset')
      want_parent(parent, wanted, seen)
    end
  end
  local wrong = expect_types(wanted)
  if wrong then return wrong end
  local counter = redis.call('GET', base .. 'id')
  if counter and not string.match(counter, '^%-?%d+$') then
    return redis.error_reply('WRONGKEY ' .. base .. 'id is not an integer')
  end
end
-- The next number of the queue: of those that were reserved for a batch, or a new one.
local function take_number(meta)
  if not meta.reserved or meta.reserved[1] > meta.reserved[2] then return redis.call('INCR', meta.base .. 'id') end
  meta.reserved[1] = meta.reserved[1] + 1
  return meta.reserved[1] - 1
end
-- Ids of a batch are looked up together; `meta.fresh` then says that none of them existed before the batch.
local function job_exists(meta, id)
  if meta.fresh and not meta.written[id] then return false end
  return redis.call('EXISTS', meta.base .. id) == 1
end
-- A job that exists already and is added again (3.5). A new parent takes it on, unless it belongs to a living one.
local function add_existing(meta, id, job, now)
  local key = meta.base .. id
  if redis.call('TYPE', key).ok ~= 'hash' then -- no job, but there is no place for one either
    emit(meta, 'duplicated', 'jobId', id)
    return id, 1
  end
  local owner = redis.call('HGET', key, 'parentKey')
  if owner and job.parent_key and owner ~= job.parent_key
    and (meta.five or redis.call('EXISTS', owner) == 1) then
    return id, -7
  end
  if job.parent_key then
    if redis.call('ZSCORE', meta.base .. 'completed', id) then
      redis.call('HSET', job.parent_key .. ':processed', key, redis.call('HGET', key, 'returnvalue') or 'null')
      if not job.in_flow then release_parent_if_done(parent_of(job.parent_key, job.parent), now) end
    else
      redis.call('SADD', job.parent_key .. ':dependencies', key)
    end
    redis.call('HSET', key, 'parentKey', job.parent_key, 'parent', job.parent)
  end
  emit(meta, 'duplicated', 'jobId', id)
  return id, 1
end
-- Adds one job; settle() follows. Returns its id (or that of the job which stands for it), and 0 = added, 1 = existed
-- already, -5 = its parent does not exist, -7 = it exists and belongs to another parent.
local function add_job(meta, job, now)
  if job.parent_key and redis.call('EXISTS', job.parent_key) == 0 then return job.asked_id, -5 end
  local counter = take_number(meta)
  local id = job.asked_id
  if id == '' then
    -- A number that somebody used as an id is passed over.
    while job_exists(meta, string.format('%.0f', counter)) do counter = take_number(meta) end
    id = string.format('%.0f', counter)
  elseif job_exists(meta, id) then
    return add_existing(meta, id, job, now)
  end
  if job.deid then
    local owner = deduplicate(meta, job, id)
    if owner then return owner, 1 end
  end
  write_job(meta, id, job)
  if meta.written then meta.written[id] = true end
  place_job(meta, id, job)
  if job.parent_key then redis.call('SADD', job.parent_key .. ':dependencies', meta.base .. id) end
  return id, 0
end
