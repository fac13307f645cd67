--- The newest jobs of a state that have ended, or what runs: names and times, no bodies.
-- KEYS  P, X
-- ARGV  list or sorted set, how many of the newest to pass over, most jobs
-- Reply now; then for each job: id, name, timestamp, delay, processedOn, finishedOn, failedReason (cut), reason, value of its
--       lock, ms that are left of it
-- Kept  writes nothing; what is of a wrong type is empty
--- @include "keys"
--- @include "now"
local ERROR_MAX = 1024
local key, first, count = P .. ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local kind = redis.call('TYPE', key).ok
local reply, ids = { now }, {}
if kind == 'zset' then ids = redis.call('ZREVRANGE', key, first, first + count - 1) end
if kind == 'list' then ids = redis.call('LRANGE', key, first, first + count - 1) end
for _, id in ipairs(ids) do
  local fields = redis.pcall('HMGET', P .. id, 'name', 'timestamp', 'delay', 'processedOn', 'finishedOn', 'failedReason')
  local reason, holder = redis.pcall('HGET', X .. 'job:' .. id, 'reason'), redis.pcall('GET', P .. id .. ':lock')
  if fields.err then fields = {} end
  local function text(value) return type(value) == 'string' and value or '' end
  reply[#reply + 1] = { id, text(fields[1]), text(fields[2]), text(fields[3]), text(fields[4]), text(fields[5]),
    string.sub(text(fields[6]), 1, ERROR_MAX), text(reason), text(holder), redis.call('PTTL', P .. id .. ':lock') }
end
return reply
