--- Adds jobs: to `wait`, `prioritized`, `delayed`, below a parent, deduplicated.
-- KEYS  P, X
-- ARGV  token; then for each job: id ('' = the counter's), name, data, opts, timestamp ('' = now), delay ms, priority,
--       lifo 0|1, n, and n pairs of: parent_key, parent, deid, de_ttl, de_extend, de_replace, de_keep_last, de_reschedule
-- Reply now; then for each job: id, 0 = added | 1 = existed already | -5 = its parent is gone | -7 = it is another's child
-- Kept  a job is in exactly one place; an id that exists is never overwritten; sent twice with ids = added once
-- Spec  docs/wire/bullmq.md 3
--- @include "keys"
--- @include "now"
--- @include "types"
--- @include "bullmq/add"
local jobs, at, has_parents = {}, 2, false
while at <= #ARGV do
  jobs[#jobs + 1], at = read_job(at, now)
  has_parents = has_parents or jobs[#jobs].parent_key ~= nil
end
local wrong = refuse_adds(P, jobs)
if wrong then return wrong end
local meta = read_meta(P)
-- Every add takes a number, also of jobs that are not stored; only a missing parent takes none.
if not has_parents and #jobs > 1 then
  local last = redis.call('INCRBY', P .. 'id', #jobs)
  meta.reserved, meta.written = { last - #jobs + 1, last }, {}
  local keys = {}
  for i, job in ipairs(jobs) do
    keys[i] = P .. (job.asked_id ~= '' and job.asked_id or string.format('%.0f', last - #jobs + i))
  end
  meta.fresh = redis.call('EXISTS', unpack(keys)) == 0
end
local reply = { now }
for _, job in ipairs(jobs) do
  reply[#reply + 1], reply[#reply + 2] = add_job(meta, job, now)
end
settle(meta)
return reply
