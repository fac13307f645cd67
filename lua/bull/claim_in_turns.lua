--- The same as claim, of a queue with turns between organisations or limits by key: the jobs whose turn it is are chosen
--- first, and claimed as any others. The script of claim stands at the end of `claim`.
-- KEYS  P, X
-- ARGV  those of claim
-- Reply that of claim; rest ms > 0 if jobs wait whose turn it is not. -1 = `index_turns` has to be told the limits first
-- Kept  who may not be taken stays where it waits; who is taken is in one place at any time that others see; limits are
--       counted by leases; looks at a bounded number of jobs
-- Spec  docs/orgs.md
--- @include "keys"
--- @include "now"
--- @include "types"
--- @include "once"
--- @include "bull/turns"
--- @include "turns_claim"
-- luacheck: ignore 212
local function claim(ARGV)
--- @act
end
return claim_in_turns(claim)
