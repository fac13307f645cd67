--- @include "keys"
--- @include "now"
--- @include "types"
--- @include "once"
-- Counts of runs are ours, and the same in both dialects.
local HOUR, DAY, FIELDS_MOST = 3600000, 86400000, 20000
local lane, request, reply_ms, kept_ms = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])
local slow_most, kinds = tonumber(ARGV[5]), tonumber(ARGV[6])
local before = replay(lane, request)
if before then return before end
local function number_of_span(length) return string.format('%.0f', math.floor(now / length)) end
local hour, day = X .. 'stats:hour:' .. number_of_span(HOUR), X .. 'stats:day:' .. number_of_span(DAY)
local slow = X .. 'slow:' .. number_of_span(DAY)
local wrong = expect_types({ hour, 'hash', day, 'hash', slow, 'zset', reply_key(lane), 'string' })
if wrong then return wrong end
-- Of each kind: organisation, name, how many pairs follow, and these. Where there is no room for a new one, it counts among
-- the others. Answers where the arguments go on.
local function add_to(key, length)
  local full, at = redis.call('HLEN', key) >= FIELDS_MOST, 7
  for _ = 1, kinds do
    local who, pairs_of_it = ':' .. ARGV[at] .. ':' .. ARGV[at + 1], tonumber(ARGV[at + 2])
    if full and redis.call('HEXISTS', key, 'ran_us' .. who) == 0 then who = ':*:*' end
    at = at + 3
    for _ = 1, pairs_of_it do
      redis.call('HINCRBY', key, ARGV[at] .. who, ARGV[at + 1])
      at = at + 2
    end
  end
  redis.call('PEXPIRE', key, string.format('%.0f', kept_ms + length))
  return at
end
add_to(hour, HOUR)
local at = add_to(day, DAY)
if at <= #ARGV then
  redis.call('ZADD', slow, unpack(ARGV, at))
  redis.call('ZREMRANGEBYRANK', slow, 0, -slow_most - 1)
  redis.call('PEXPIRE', slow, string.format('%.0f', kept_ms + DAY))
end
remember(lane, request, 0, reply_ms)
return 0
