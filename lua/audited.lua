--- A person's act and its line in the queue's audit log, in one step. The script of the act stands at the end of `act`.
-- KEYS  those of the act
-- ARGV  those of the act; then what, job ('' = the queue), when it has taken effect (a code; + = more than 0; # = a list with
--       more than one element; added = as enqueue answers), states it may be in (words with blanks around; '' = any), etag
--       that it must have ('' = any), by, from, why
-- Reply that of the act; or CONFLICT and the state, or STALE: nothing was written
-- Kept  an act that changed nothing leaves no line; one that did leaves one, or one for each job added
--- @include "keys"
--- @include "audit"
--- @include "state_of"
--- @include "etag"
local function last() return table.remove(ARGV) end
local why, from, by = last(), last(), last()
local etag, states, done, job, what = last(), last(), last(), last(), last()
local kind = redis.call('TYPE', X .. 'audit').ok
if kind ~= 'none' and kind ~= 'stream' then
  return redis.error_reply('WRONGKEY ' .. X .. 'audit is a ' .. kind .. ', expected a stream')
end
local was = job ~= '' and state_of(job) or ''
if states ~= '' and redis.call('EXISTS', P .. job) == 1 and not string.find(states, ' ' .. was .. ' ', 1, true) then
  return { 'CONFLICT', was }
end
if etag ~= '' and etag ~= etag_of(job) then return { 'STALE' } end
local function act()
--- @act
end
local reply = act()
local is_list = type(reply) == 'table' and not reply.err
local code = is_list and reply[1] or reply
if done == 'added' and is_list then
  for i = 2, #reply, 2 do
    if reply[i + 1] == 0 then audit(what, reply[i], '', state_of(reply[i]) or '', by, from, why) end
  end
elseif (done == '#' and is_list and #reply > 1) or (done == '+' and type(code) == 'number' and code > 0)
  or (type(code) == 'number' and tostring(code) == done) then
  audit(what, job, was, job ~= '' and state_of(job) or '', by, from, why)
end
return reply
