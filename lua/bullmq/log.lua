--- Appends lines to a job's log.
-- KEYS  P, X
-- ARGV  id, token ('0' = an operator: no lock needed), most lines to keep (0 = all); then the lines
-- Reply the new length, or -1 no such job, -2 no lock, -6 another run's lock
-- Kept  a stale run changes nothing; no more lines than the producer asked for (keepLogs)
-- Spec  docs/wire/bullmq.md 7.4
--- @include "keys"
--- @include "types"
--- @include "fence"
local id, token, keep = ARGV[1], ARGV[2], tonumber(ARGV[3])
local code = refused(id, token)
if code and not (token == '0' and code ~= -1) then return code end
local logs = P .. id .. ':logs'
local wrong = expect_types({ logs, 'list' })
if wrong then return wrong end
local ok, opts = pcall(cjson.decode, redis.call('HGET', P .. id, 'opts') or '{}')
local asked = ok and type(opts) == 'table' and opts.kl
if type(asked) == 'number' and asked >= 1 and asked < math.huge then
  asked = math.floor(asked)
  keep = keep > 0 and math.min(keep, asked) or asked
end
for i = 4, #ARGV do redis.call('RPUSH', logs, ARGV[i]) end
if keep > 0 then redis.call('LTRIM', logs, -keep, -1) end
return redis.call('LLEN', logs)
