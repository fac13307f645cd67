--- @include "bullmq/remove"
-- Where the job of a child's key is: its queue's base and its id. Ids may have colons, names of queues have none; the
-- shortest id whose queue exists is meant.
local function locate(key)
  local from, base = #key, nil
  while from > 1 do
    while from > 1 and string.sub(key, from, from) ~= ':' do from = from - 1 end
    if from <= 1 then break end
    local shorter = string.sub(key, 1, from)
    base = base or shorter
    if redis.call('EXISTS', shorter .. 'id', shorter .. 'meta') > 0 then
      base = shorter
      break
    end
    from = from - 1
  end
  if not base then return nil end
  return base, string.sub(key, #base + 1)
end
-- A job and all below it, children before their parents. `pending`: only those that are not done yet.
local gather_tree
function gather_tree(base, id, pending, seen, out)
  local key = base .. id
  if seen[key] then return end
  seen[key] = true
  local function below(kind, command, ...)
    local keys = redis.pcall(command, key .. ':' .. kind, ...)
    if keys.err then return end
    for _, child in ipairs(keys) do
      local child_base, child_id = locate(child)
      if child_base and not is_own_key(child_id) then gather_tree(child_base, child_id, pending, seen, out) end
    end
  end
  if not pending then
    below('processed', 'HKEYS')
    below('failed', 'HKEYS')
    below('unsuccessful', 'ZRANGE', 0, -1)
  end
  below('dependencies', 'SMEMBERS')
  out[#out + 1] = { base = base, id = id, key = key }
end
local function tree_of(base, id, pending)
  local out = {}
  gather_tree(base, id, pending, {}, out)
  return out
end
local function is_locked(node) return redis.call('EXISTS', node.key .. ':lock') == 1 end
-- What a removal of these needs to be of the right type.
local function tree_misfit(nodes)
  local wanted, seen, parents = {}, {}, {}
  for _, node in ipairs(nodes) do
    if not seen[node.base] then removal_types(node.base, wanted) end
    seen[node.base] = true
    local parent = parent_of_job(node.base, node.id)
    if parent then want_parent(parent, wanted, parents) end
  end
  return expect_types(wanted)
end
-- Removes them; parents that go as well are not let go first.
local function remove_tree(nodes)
  local going = {}
  for _, node in ipairs(nodes) do going[node.key] = true end
  local top = nodes[#nodes]
  local above = parent_of_job(top.base, top.id)
  if above then forget_child(above, top.key, false) end
  for _, node in ipairs(nodes) do
    local parent = parent_of_job(node.base, node.id)
    local state = leave_state(node.base, node.id)
    free_dedup(node.base, node.id)
    local gone
    if parent and going[parent.key] then
      gone = delete_job(node.base, node.id)
    else
      gone = drop_job(node.base, node.id, false, false)
    end
    if gone then emit(read_meta(node.base), 'removed', 'jobId', node.id, 'prev', state) end
  end
end
