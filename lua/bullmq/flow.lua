--- Adds a whole flow: a parent, its children, theirs, in as many queues as they name.
-- KEYS  P, X
-- ARGV  token; then for each job, parents before their children: base of its queue, and the job as in enqueue with the
--       pairs parent_key, parent, has_children besides
-- Reply 0; then for each job its id and 0 = added | 1 = existed already | -5 = its parent was not stored.
--       Or -5 (a parent above the flow is gone) or -7 (a job of the flow is another's child), and which job (from 1)
-- Kept  all or nothing: what BullMQ would refuse half-way is refused before the first write
-- Spec  docs/wire/bullmq.md 9.1
--- @include "keys"
--- @include "now"
--- @include "types"
--- @include "bullmq/add"
local nodes, by_base, bases, at = {}, {}, {}, 2
while at <= #ARGV do
  local base = ARGV[at]
  local job, next_at = read_job(at + 1, now)
  at = next_at
  job.in_flow = true
  nodes[#nodes + 1] = { base = base, job = job }
  if not by_base[base] then
    by_base[base] = {}
    bases[#bases + 1] = base
  end
  table.insert(by_base[base], job)
end
for _, base in ipairs(bases) do
  local wrong = refuse_adds(base, by_base[base])
  if wrong then return wrong end
end
local metas, coming = {}, {}
for _, base in ipairs(bases) do metas[base] = read_meta(base) end
for i, node in ipairs(nodes) do
  local key, parent_key = node.base .. node.job.asked_id, node.job.parent_key
  if parent_key and not coming[parent_key] and redis.call('EXISTS', parent_key) == 0 then return { -5, i } end
  coming[key] = true
  local owner = parent_key and redis.call('TYPE', key).ok == 'hash' and redis.call('HGET', key, 'parentKey')
  if owner and owner ~= parent_key and (metas[node.base].five or redis.call('EXISTS', owner) == 1) then
    return { -7, i }
  end
end
local reply = { 0 }
for _, node in ipairs(nodes) do
  local id, code = add_job(metas[node.base], node.job, now)
  reply[#reply + 1] = id
  reply[#reply + 1] = code
end
for _, base in ipairs(bases) do settle(metas[base]) end
-- A parent all of whose children had completed before need not wait. The deepest first: they may be children as well.
for i = #nodes, 1, -1 do
  if nodes[i].job.has_children then
    local meta, id = metas[nodes[i].base], nodes[i].job.asked_id
    release_parent_if_done({ key = meta.base .. id, base = meta.base, id = id }, now)
  end
end
return reply
