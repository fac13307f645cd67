--- @include "keys"
--- @include "now"
--- @include "sync"
local by, from, why, id = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local wrong = sync_misfit(id)
if wrong then return wrong end
local was = state_of(id)
if not was then return { 0, '' } end
if was == 'completed' or was == 'failed' then return { -1, was } end
if hold_of(id) then return { 2, was } end
redis.call('HSET', own_record(id), 'hold', '{"at":' .. string.format('%.0f', now) .. ',"by":' .. cjson.encode(by)
  .. ',"from":' .. cjson.encode(from) .. ',"why":' .. cjson.encode(why) .. '}')
audit('sync.pause', id, was, was, by, from, why)
return { 1, was }
