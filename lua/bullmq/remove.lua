--- Removes jobs that nobody runs, with their children if asked.
-- KEYS  P, X
-- ARGV  with their children 0|1; then the ids
-- Reply for each id: 1 removed, 0 it or a job below it runs, -1 no such job, -8 a scheduler has planned it
-- Kept  a job with a lock stays whole, and so do all above it
-- Spec  docs/wire/bullmq.md 7.8
--- @include "keys"
--- @include "types"
--- @include "bullmq/tree"
local trees, all = {}, {}
for i = 2, #ARGV do
  local id = ARGV[i]
  local nodes = { { base = P, id = id, key = P .. id } }
  if ARGV[1] == '1' and not is_own_key(id) then nodes = tree_of(P, id, false) end
  trees[#trees + 1] = nodes
  for _, node in ipairs(nodes) do all[#all + 1] = node end
end
local wrong = tree_misfit(all)
if wrong then return wrong end
local function try(nodes)
  local id = nodes[#nodes].id
  if is_own_key(id) then return -1 end
  local kind = redis.call('TYPE', P .. id).ok
  for _, node in ipairs(nodes) do
    if is_locked(node) then return 0 end
  end
  if kind ~= 'hash' then return -1 end
  local finished = redis.call('ZSCORE', P .. 'completed', id) or redis.call('ZSCORE', P .. 'failed', id)
  if not finished and is_planned(P, id) then return -8 end
  remove_tree(nodes)
  return 1
end
local reply = {}
for i, nodes in ipairs(trees) do reply[i] = try(nodes) end
return reply
