--- Mends one thing that doctor found, by a written rule (docs/doctor.md).
-- KEYS  P, X
-- ARGV  by, from, why, rule, id (or what else it is about), what the rule needs besides
-- Reply 1 mended, states before and after ('' = none); 0 it is not so any more; -1 a run holds it; -9 no such rule
-- Kept  looked at again before the first write; a job that a run holds stays where it is; nothing is deleted that
--       could be a job: it goes to the dead letters or to `X broken:<id>`
-- Spec  docs/wire/bull-4.md 1
--- @include "keys"
--- @include "now"
--- @include "bull/mending"
--- @include "mend_beside"
--- @include "audit"
local by, from, why, rule, id, arg = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[6]
local wrong = mending_misfit(id)
if wrong then return wrong end
if not RULES[rule] then return { -9, '', '' } end
local was, is = RULES[rule](id, arg)
if type(was) == 'table' then return was end
if type(was) ~= 'string' then return { was or 0, '', '' } end
audit('mend ' .. rule, id, was, is, by, from, why)
return { 1, was, is }
