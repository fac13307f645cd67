--- @include "keys"
--- @include "now"
--- @include "sync"
local CHUNK = 500
local by, from, why, id = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local wrong = sync_misfit(id)
if wrong then return wrong end
local record, items, due = X .. 'job:' .. id, X .. 'items:' .. id, X .. 'retry:' .. id
local was = state_of(id)
if not was then return { 0, '', 0 } end
local plan = redis.call('HGET', record, 'plan')
if not plan or not is_about(record, id) then return { -4, was, 0 } end
-- Items that failed, with the notes that they get. We write notes and plans ourselves, with their members in this order:
-- they are changed as text, because decoding would change the user's own JSON within them.
local function chosen_items()
  local asked, ids, notes = {}, {}, {}
  if #ARGV > 4 then
    local twice = {}
    for at = 5, #ARGV do
      if not twice[ARGV[at]] then asked[#asked + 1] = ARGV[at] end
      twice[ARGV[at]] = true
    end
  else
    asked = redis.call('HKEYS', items)
  end
  for first = 1, #asked, CHUNK do
    local last = math.min(first + CHUNK - 1, #asked)
    for n, note in ipairs(redis.call('HMGET', items, unpack(asked, first, last))) do
      local again, failed = string.gsub(note or '', '^{"state":"failed","tries":%d+', '{"state":"retrying","tries":0')
      if failed == 1 then
        ids[#ids + 1] = asked[first + n - 1]
        notes[#notes + 1] = again
      end
    end
  end
  return ids, notes
end
local COUNTERS = '"processed":(%d+),"successful":(%d+),"failed":(%d+),"skipped":(%d+),"retrying":(%d+),"duplicates":(%d+)}$'
local function changed_plan(n)
  local commits, rest = string.match(plan, '^{"commits":(%d+),(.*)$')
  local at = rest and string.find(rest, COUNTERS)
  if not at then return nil end
  local processed, successful, failed, skipped, retrying, duplicates = string.match(rest, COUNTERS, at)
  commits = string.format('%.0f', commits + 1)
  local moved = { processed = processed - n, failed = failed - n, retrying = retrying + n }
  for member, count in pairs(moved) do moved[member] = string.format('%.0f', math.max(0, count)) end
  local text = '{"commits":' .. commits .. ',' .. string.sub(rest, 1, at - 1) .. '"processed":' .. moved.processed
    .. ',"successful":' .. successful .. ',"failed":' .. moved.failed .. ',"skipped":' .. skipped .. ',"retrying":'
    .. moved.retrying .. ',"duplicates":' .. duplicates .. '}'
  local change = '{"commits":' .. commits .. ',"processed":' .. moved.processed .. ',"failed":' .. moved.failed
    .. ',"retrying":' .. moved.retrying .. '}'
  return text, commits, change
end
local ids, notes = chosen_items()
if (was ~= 'completed' and was ~= 'failed') or is_held(id) then return { -1, was, #ids } end
if #ids == 0 then return { -2, was, 0 } end
if not has_body(id) then return { -3, was, 0 } end
local text, commits, change = changed_plan(#ids)
if not text then return { -4, was, 0 } end

local states = {}
redis.call('HSET', record, 'plan', text, 'commits', commits)
for n = 1, #ids do
  redis.call('HSET', items, ids[n], notes[n])
  redis.call('ZADD', due, now, ids[n])
  states[n] = cjson.encode(ids[n]) .. ':"retrying"'
end
run_again(id, was, false, WHO)
log_entry('sync.retry-items', id, 'was', was, 'is', state_of(id), 'by', by, 'from', from, 'why', why,
  'changed', '{"plan":' .. change .. ',"items":{' .. table.concat(states, ',') .. '}}')
return { 1, was, #ids }
