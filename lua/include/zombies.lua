--- @include "fail_whole"
--- @include "zombie_of"
-- Mending zombies is the same in both dialects.
local by, from, why, act, class, id = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[5], ARGV[8]
local wrong = mending_misfit(id)
if wrong then return wrong end
local job = zombie_of(class, id, tonumber(ARGV[6]))
if not job then return { 0, '', '' } end
if job.held and ARGV[7] ~= '1' then return { -1, '', '' } end
local whole = job.kind == 'hash' and has_body(id)
if act == 'requeue' and not whole then return { -3, '', '' } end
take_from_run(id, 'kill')
leave_all(id)
local is
if act == 'requeue' then
  redis.call('HDEL', P .. id, 'finishedOn', 'returnvalue')
  if job.times.delayed then redis.call('HSET', P .. id, 'delay', 0) end
  is = put_in_line(id, job.names[1] or '')
else
  is = 'failed'
  if whole then
    fail_whole(id, 'crashed', why ~= '' and why or 'failed by an operator: ' .. class, now)
  else
    bury(id, 'body_missing', 'there is no job behind this id any more', now)
  end
end
local was = table.concat(job.names, '+')
audit('zombies ' .. act, id, was, is, by, from, why)
return { 1, was, is }
