--- @include "audit"
-- Dead letters deleted for good. The dialect's own fragment brings `is_own_key` and `take_out(id)`, which the script
-- defines.
local take_out
local FIRST = 6
local operation, bound, by, from, why = ARGV[1], tonumber(ARGV[2]), ARGV[3], ARGV[4], ARGV[5]
local function purge_job(id)
  if is_own_key(id) then return 0 end
  if redis.call('EXISTS', P .. id .. ':lock') == 1 then return -1 end
  local score = redis.call('ZSCORE', P .. 'failed', id)
  if not score then return redis.call('EXISTS', P .. id) == 0 and 0 or -2 end
  if bound and tonumber(score) > bound then return -2 end
  take_out(id)
  if operation == '' then audit('purge', id, 'failed', '', by, from, why) end
  return 1
end
local function purge_jobs()
  local codes, done = {}, 0
  for at = FIRST, #ARGV do
    codes[#codes + 1] = purge_job(ARGV[at])
    if codes[#codes] == 1 then done = done + 1 end
  end
  if done > 0 and operation ~= '' then redis.call('HINCRBY', X .. 'ops', operation .. ':done', done) end
  return codes
end
