--- Removes jobs that nobody runs.
-- KEYS  P, X
-- ARGV  with their debounce keys 0|1; then the ids
-- Reply for each id: 1 removed, 0 it runs, -1 no such job
-- Kept  a job with a lock stays whole
-- Spec  docs/wire/bull-4.md 12.1
--- @include "keys"
--- @include "types"
--- @include "bull/remove"
local wrong = expect_types(REMOVAL)
if wrong then return wrong end
local reply = {}
for i = 2, #ARGV do
  local id = ARGV[i]
  local kind = redis.call('TYPE', P .. id).ok
  if redis.call('EXISTS', P .. id .. ':lock') == 1 then
    reply[i - 1] = 0
  elseif kind == 'hash' and not is_own_key(id) then
    remove_job(id, ARGV[1] == '1')
    reply[i - 1] = 1
  else
    reply[i - 1] = -1
  end
end
return reply
