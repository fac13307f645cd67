--- @include "keys"
--- @include "now"
--- @include "types"
--- @include "audit"
-- A bulk operation is begun once and can be gone on with by whoever asks for the same: `X ops` holds when it began, which
-- bounds what it takes, and what it has done. One that nobody has ended for a day is begun anew.
local ABANDONED_MS = 86400000
local act, id, what, by, from, why = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local ops = X .. 'ops'
local wrong = expect_types({ ops, 'hash', X .. 'audit', 'stream' })
if wrong then return wrong end
local began, done = redis.call('HGET', ops, id .. ':at'), redis.call('HGET', ops, id .. ':done')
if act == 'end' then
  if began ~= ARGV[7] then return { '', '0', '' } end -- somebody else has ended it
  redis.call('HDEL', ops, id .. ':at', id .. ':by', id .. ':done')
  audit(what .. '.end', '', 'failed', what == 'purge' and '' or 'waiting', by, from, why .. ' (' .. (done or '0') .. ' jobs)')
  return { began, done or '0', '' }
end
if began and tonumber(began) + ABANDONED_MS > now then
  return { began, done or '0', redis.call('HGET', ops, id .. ':by') or '' }
end
local at = string.format('%.0f', now)
redis.call('HSET', ops, id .. ':at', at, id .. ':by', by)
redis.call('HDEL', ops, id .. ':done')
audit(what, '', 'failed', what == 'purge' and '' or 'waiting', by, from, why)
return { at, '0', '' }
