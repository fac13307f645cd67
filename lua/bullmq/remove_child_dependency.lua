--- Takes a child from its parent: the child stays, the parent waits for it no more.
-- KEYS  P, X
-- ARGV  id of the child
-- Reply 0 done, 1 it has no parent, -1 no such job, -5 its parent is gone
-- Kept  a parent whose last pending child goes is let go in the same step
-- Spec  docs/wire/bullmq.md 7.8
--- @include "keys"
--- @include "types"
--- @include "bullmq/remove"
local id = ARGV[1]
local key = P .. id
if is_own_key(id) then return -1 end
local wrong = expect_types({ key, 'hash' })
if wrong then return wrong end
if redis.call('EXISTS', key) == 0 then return -1 end
local parent = parent_of_job(P, id)
if not parent then return 1 end
wrong = parents_misfit(P, { id })
if wrong then return wrong end
if redis.call('EXISTS', parent.key) == 0 then return -5 end
redis.call('HDEL', key, 'parentKey', 'parent')
forget_child(parent, key, false)
return 0
