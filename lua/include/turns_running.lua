--- @include "turns"
-- Who runs under which keys. `turns:counts` says how many, and changes only with `turns:running`, in the same step; an
-- entry counts until its id is in no lease, so that no death and no lost reply leaves a count behind.
local LEASED_MOST = 2000
local counts, cleared = {}, false
local function count_of(name)
  counts[name] = counts[name] or tonumber(redis.call('HGET', counted, name) or 0)
  return counts[name]
end
local function count_key(name, more)
  if redis.call('HINCRBY', counted, name, more) < 1 then redis.call('HDEL', counted, name) end
  counts[name] = nil
end
-- There may be room again under this key.
local function let_go(key)
  local waiting = redis.call('ZRANGE', T .. 'held:' .. key, 0, RELEASED_MOST - 1)
  if #waiting > 0 then
    redis.call('ZREM', T .. 'held:' .. key, unpack(waiting))
    redis.call('HDEL', holds, unpack(waiting))
  end
  for _, group in ipairs(waiting) do offer(group) end
  if #waiting == RELEASED_MOST then redis.call('ZADD', held, now + AGAIN_MS, key) else redis.call('ZREM', held, key) end
end
local function end_run(id)
  local names = redis.call('HGET', running, id)
  if not names then return end
  redis.call('HDEL', running, id)
  for _, name in ipairs(cjson.decode(names)) do
    count_key(name, -1)
    let_go(name)
  end
end
local function begin_run(id, names)
  end_run(id)
  redis.call('HSET', running, id, cjson.encode(names))
  for _, name in ipairs(names) do count_key(name, 1) end
end
local function end_unleased(ids)
  for first = 1, #ids, LEASED_MOST do
    local last = math.min(first + LEASED_MOST - 1, #ids)
    local leased = redis.call('SMISMEMBER', X .. 'leases', unpack(ids, first, last))
    for i = first, last do
      if leased[i - first + 1] == 0 then end_run(ids[i]) end
    end
  end
end
-- Once a call, and only where somebody waits or would have to.
local function clear_ended()
  if cleared or not conf.counts_running then return end
  cleared = true
  end_unleased(redis.call('HKEYS', running))
end
