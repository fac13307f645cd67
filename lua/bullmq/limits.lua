--- Sets how much all workers of the queue together may run, or holds those with a rate limit back for a while.
-- KEYS  P, X
-- ARGV  pairs: concurrency n | max n | duration ms | hold ms ('' instead of a number = no limit of that kind)
-- Reply OK
-- Kept  what is not named stays
-- Spec  docs/wire/bullmq.md 1.1, 4.4
--- @include "keys"
--- @include "types"
local wrong = expect_types({ P .. 'meta', 'hash', P .. 'limiter', 'string' })
if wrong then return wrong end
for i = 1, #ARGV, 2 do
  local name, value = ARGV[i], ARGV[i + 1]
  if name ~= 'hold' then
    if value == '' then redis.call('HDEL', P .. 'meta', name) else redis.call('HSET', P .. 'meta', name, value) end
  elseif value == '' then
    redis.call('DEL', P .. 'limiter')
  else
    redis.call('SET', P .. 'limiter', '9007199254740991', 'PX', value)
  end
end
return redis.status_reply('OK')
