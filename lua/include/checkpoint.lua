--- @include "keys"
--- @include "now"
--- @include "types"
--- @include "fence"
--- @include "record"
-- Checkpoints are ours, and the same in both dialects.
local id, token = ARGV[1], ARGV[2]
local code = refused(id, token)
if code then return code end
local wrong = expect_types({ X .. 'job:' .. id, 'hash' })
if wrong then return wrong end
local record = own_record(id)
if ARGV[3] ~= '' then
  -- A job that has moved on is not the cause of the deaths before.
  if redis.call('HGET', record, 'checkpoint') ~= ARGV[3] then
    redis.call('HDEL', record, 'own_crashes')
    redis.pcall('HDEL', X .. 'suspects', id)
  end
  redis.call('HSET', record, 'checkpoint', ARGV[3])
end
if ARGV[4] == '1' or ARGV[4] == '2' then
  if redis.call('HGET', record, 'beat:token') ~= token then redis.call('HDEL', record, 'moved') end
  redis.call('HSET', record, 'beat', now, 'beat:token', token)
  if ARGV[4] == '2' then redis.call('HSET', record, 'moved', now) end
end
return 0
