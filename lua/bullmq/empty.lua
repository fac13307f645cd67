--- Deletes all jobs that wait, and those that are delayed if asked.
-- KEYS  P, X
-- ARGV  most jobs in this call, with delayed ones 0|1
-- Reply how many were deleted; fewer than asked for = none is left
-- Kept  running and finished jobs stay, and iterations that a scheduler has planned; the queue stays paused if it was
-- Spec  docs/wire/bullmq.md 7.11
--- @include "keys"
--- @include "types"
--- @include "bullmq/remove"
local wrong = expect_types(removal_types(P, {}))
if wrong then return wrong end
local budget, done = tonumber(ARGV[1]), 0
local planned = redis.call('ZCARD', P .. 'repeat')
local sources = { 'wait', 'paused', 'prioritized', ARGV[2] ~= '0' and 'delayed' or nil }
local pages, all = {}, {}
for i, name in ipairs(sources) do
  -- So many that some can be deleted if there are any that may be.
  local last = budget - done + planned - 1
  local page = done < budget and redis.call(i <= 2 and 'LRANGE' or 'ZRANGE', P .. name, 0, last) or {}
  pages[i] = {}
  for _, id in ipairs(page) do
    if done < budget and not is_planned(P, id) then
      pages[i][#pages[i] + 1] = id
      all[#all + 1] = id
      done = done + 1
    end
  end
end
wrong = parents_misfit(P, all)
if wrong then return wrong end
for i, name in ipairs(sources) do
  for _, id in ipairs(pages[i]) do
    -- They stand at the head.
    if i <= 2 then redis.call('LREM', P .. name, 1, id) else redis.call('ZREM', P .. name, id) end
    drop_job(P, id, true, true)
  end
end
return done
