--- @include "keys"
--- @include "now"
--- @include "sync"
local by, from, why, id = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local wrong = sync_misfit(id)
if wrong then return wrong end
local was = state_of(id)
if not was then return { 0, '' } end
local code = go_on(id, was)
if code == 1 then audit('sync.resume', id, was, state_of(id), by, from, why) end
return { code, was }
