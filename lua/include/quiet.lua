--- @include "keys"
--- @include "now"
--- @include "types"
--- @include "audit"
-- Processes that a person has told to claim nothing more: who and when, by the name of the worker.
local FORGOTTEN_MS = 2592000000
local is_told, worker, by, from, why = ARGV[1] == '1', ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local quiet = X .. 'quiet'
local wrong = expect_types({ quiet, 'hash', X .. 'audit', 'stream' })
if wrong then return wrong end
if (redis.call('HEXISTS', quiet, worker) == 1) == is_told then return 0 end
if is_told then
  redis.call('HSET', quiet, worker, '{"at":' .. string.format('%.0f', now) .. ',"by":' .. cjson.encode(by) .. ',"from":'
    .. cjson.encode(from) .. ',"why":' .. cjson.encode(why) .. '}')
  -- Names of processes that have never come back.
  local all = redis.call('HGETALL', quiet)
  for i = 1, #all, 2 do
    local at = tonumber(string.match(all[i + 1], '^{"at":(%d+)') or 0)
    if now - at > FORGOTTEN_MS then redis.call('HDEL', quiet, all[i]) end
  end
else
  redis.call('HDEL', quiet, worker)
end
audit(is_told and 'worker.quiet' or 'worker.resume', worker, '', '', by, from, why)
return 1
