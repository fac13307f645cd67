--- Syncs as they are at one moment, without their bodies.
-- KEYS  P, X
-- ARGV  ids
-- Reply now; then for each: id, state ('' = in no list), value of its lock or nil, ms that are left of it, score in `delayed`
--       or nil, fields and values of its hash (none: there is no such job), fields and values of our record of it
-- Kept  writes nothing; what is of a wrong type counts as not there
--- @include "keys"
--- @include "now"
--- @include "state_of"
local FIELDS = { 'name', 'timestamp', 'attemptsMade', 'atm', 'opts', 'progress', 'processedOn', 'finishedOn', 'failedReason' }
local RECORDED = { 'of', 'org', 'plan', 'hold', 'reason', 'crashes', 'items_dropped' }
local BYTES_MAX = 65536
local function read(key, names)
  local found = redis.pcall('HMGET', key, unpack(names))
  local out = {}
  if found.err then return out end
  for i, name in ipairs(names) do
    if found[i] and #found[i] <= BYTES_MAX then out[#out + 1], out[#out + 2] = name, found[i] end
  end
  return out
end
local reply = { now }
for i, id in ipairs(ARGV) do
  local lock = P .. id .. ':lock'
  local holder, due = redis.pcall('GET', lock), redis.pcall('ZSCORE', P .. 'delayed', id)
  reply[i + 1] = { id, state_of(id) or '', type(holder) == 'string' and holder, redis.call('PTTL', lock),
    type(due) == 'string' and due, read(P .. id, FIELDS), read(X .. 'job:' .. id, RECORDED) }
end
return reply
