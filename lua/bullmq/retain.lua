--- Removes finished jobs that are older or more than the config keeps: a few at a time, by one process at a time.
-- KEYS  P, X
-- ARGV  who asks, how long his turn lasts ms, completed|failed|runs, age ms ('' = any), count ('' = any), where to go on ('' =
--       at the oldest), how many jobs to look at at most. runs = syncs that came to their end, by their entries in the history
-- Reply 0, how many were removed, where to go on ('' = done); or -1 it is another's turn
-- Kept  a job stays whose producer said himself what becomes of it, that a lock holds, that a deduplication id or an idempotency
--       key leads to, whose parent has not ended, or that has children which have not
--- @include "retain"
--- @include "bullmq/own_key"
return retain({ 'deid', 'parentKey' }, { ':logs', ':dependencies', ':processed', ':failed', ':unsuccessful' },
  function(id, said)
    if said[2] and redis.call('MGET', P .. 'de:' .. said[2])[1] == id then return true end
    if redis.call('EXISTS', P .. id .. ':dependencies') == 1 then return true end
    if not said[3] then return false end
    -- A parent that is elsewhere in a cluster cannot be asked, and counts as waiting.
    local parent = redis.pcall('HMGET', said[3], 'timestamp', 'finishedOn')
    return parent.err ~= nil or (parent[1] and not parent[2])
  end, is_own_key)
