--- Removes the children of a job that are still to run, with what is below them.
-- KEYS  P, X
-- ARGV  id
-- Reply how many jobs were removed
-- Kept  a child that runs, has failed, or stands above one that runs, stays; a job without pending children goes on
-- Spec  docs/wire/bullmq.md 7.8
--- @include "keys"
--- @include "types"
--- @include "bullmq/tree"
local id = ARGV[1]
if is_own_key(id) then return 0 end
local pending = P .. id .. ':dependencies'
local wrong = expect_types({ pending, 'set' })
if wrong then return wrong end
local going, all = {}, {}
for _, child in ipairs(redis.call('SMEMBERS', pending)) do
  local base, child_id = locate(child)
  local nodes = base and not is_own_key(child_id) and tree_of(base, child_id, true) or {}
  local stays = #nodes == 0 or redis.call('ZSCORE', base .. 'failed', child_id)
  for _, node in ipairs(nodes) do stays = stays or is_locked(node) end
  if not stays then
    going[#going + 1] = nodes
    for _, node in ipairs(nodes) do all[#all + 1] = node end
  end
end
wrong = tree_misfit(all)
if wrong then return wrong end
for _, nodes in ipairs(going) do remove_tree(nodes) end
return #all
