--- Adds jobs: to `wait` (or `paused`), or to `delayed` when a delay is given.
-- KEYS  P, X
-- ARGV  token; then for each job: id ('' = the counter's), name, data, opts_head, opts_tail, timestamp ('' = now),
--       delay ms, priority, lifo 0|1, debounce id, debounce ttl ms
-- Reply now; then for each job: id, 0 = added | 1 = existed already
-- Kept  a job is in exactly one place; an id that exists is never overwritten; sent twice with ids = added once
-- Spec  docs/wire/bull-4.md 4
--- @include "keys"
--- @include "now"
--- @include "types"
--- @include "bull/add"
local wrong = expect_types({ P .. 'id', 'string', P .. 'wait', 'list', P .. 'paused', 'list',
  P .. 'delayed', 'zset', P .. 'priority', 'zset' })
wrong = wrong or refuse_adds(2, 11)
if wrong then return wrong end
local token, reply = ARGV[1], { now }
for at = 2, #ARGV, 11 do
  local id, existed = add_job({ id = ARGV[at], name = ARGV[at + 1], data = ARGV[at + 2], opts_head = ARGV[at + 3],
    opts_tail = ARGV[at + 4], timestamp = ARGV[at + 5], delay = ARGV[at + 6], priority = ARGV[at + 7],
    lifo = ARGV[at + 8], deid = ARGV[at + 9], de_ttl = ARGV[at + 10] }, token, now)
  reply[#reply + 1] = id
  reply[#reply + 1] = existed
end
return reply
