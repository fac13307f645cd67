-- Puts a job into `prioritized` of the queue at `base` (docs/wire/bullmq.md 3.2): behind those of its priority.
local function push_prioritized(base, id, priority)
  local count = redis.pcall('INCR', base .. 'pc')
  if type(count) ~= 'number' then -- a counter that is none starts anew: it would be refused half-way
    redis.call('SET', base .. 'pc', 1)
    count = 1
  end
  redis.call('ZADD', base .. 'prioritized', string.format('%.0f', priority * 4294967296 + count % 4294967296), id)
end
