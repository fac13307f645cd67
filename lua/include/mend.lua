--- @include "audit"
-- Mending is the same in both dialects but for what they bring before: mending_misfit, RULES and all that these need.
local by, from, why, rule, id, arg = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local wrong = mending_misfit(id)
if wrong then return wrong end
if not RULES[rule] then return { -9, '', '' } end
local was, is = RULES[rule](id, arg)
if type(was) == 'table' then return was end
if type(was) ~= 'string' then return { was or 0, '', '' } end
audit('mend ' .. rule, id, was, is, by, from, why)
return { 1, was, is }
