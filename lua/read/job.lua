--- One job with all that is known of it, at one moment.
-- KEYS  P, X
-- ARGV  id
-- Reply now; its hash (none: there is no such job); state ('' = in no list); value of its lock or nil, ms that are left of it;
--       score in `delayed` or nil; our record of it; length of its log; its etag
-- Kept  writes nothing; what is of a wrong type counts as not there
--- @include "keys"
--- @include "now"
--- @include "state_of"
--- @include "etag"
local id = ARGV[1]
local function read(...)
  local reply = redis.pcall(...)
  if type(reply) == 'table' and reply.err then return false end
  return reply
end
local lock = P .. id .. ':lock'
return { now, read('HGETALL', P .. id) or {}, state_of(id) or '', read('GET', lock), redis.call('PTTL', lock),
  read('ZSCORE', P .. 'delayed', id), read('HGETALL', X .. 'job:' .. id) or {}, read('LLEN', P .. id .. ':logs') or 0,
  etag_of(id) }
