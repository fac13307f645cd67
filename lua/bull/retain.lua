--- Removes finished jobs that are older or more than the config keeps: a few at a time, by one process at a time.
-- KEYS  P, X
-- ARGV  who asks, how long his turn lasts ms, completed|failed|runs, age ms ('' = any), count ('' = any), where to go on ('' =
--       at the oldest), how many jobs to look at at most. runs = syncs that came to their end, by their entries in the history
-- Reply 0, how many were removed, where to go on ('' = done); or -1 it is another's turn
-- Kept  a job stays whose producer said himself what becomes of it, that a lock holds, that a debounce id or an idempotency key
--       leads to
--- @include "retain"
--- @include "bull/own_key"
return retain({ 'deid' }, { ':logs' }, function(id, said)
  return said[2] and redis.call('MGET', P .. 'de:' .. said[2])[1] == id
end, is_own_key)
