--- @include "audit"
--- @include "bulk"
-- Dead letters deleted for good. The dialect's own fragment brings `is_own_key` and `take_out(id)`, which the script
-- defines.
local take_out
local FIRST = 7
local by, from, why = ARGV[4], ARGV[5], ARGV[6]
local function purge_job(at)
  local id = ARGV[at]
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
  return (in_bulk(FIRST, 1, purge_job))
end
