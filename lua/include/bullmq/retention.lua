--- @include "number"
--- @include "types"
--- @include "bullmq/parent"
-- What becomes of finished jobs (docs/wire/bullmq.md 6.1 step 11): the soft kind of removal, without events.
local TRIMMED_MOST, DELETED_AT_ONCE = 2000, 800
local function keys_of(id, keys)
  local key, n = P .. id, #keys
  keys[n + 1], keys[n + 2], keys[n + 3], keys[n + 4] = key, key .. ':logs', key .. ':dependencies', key .. ':processed'
  keys[n + 5], keys[n + 6], keys[n + 7] = key .. ':failed', key .. ':unsuccessful', X .. 'job:' .. id
end
local function delete_finished(ids)
  for first = 1, #ids, DELETED_AT_ONCE do
    local keys, last = {}, math.min(first + DELETED_AT_ONCE - 1, #ids)
    for i = first, last do keys_of(ids[i], keys) end
    if redis.call('DEL', unpack(keys)) > last - first + 1 then
      for i = first, last do -- those of a sync
        redis.call('DEL', X .. 'items:' .. ids[i], X .. 'retry:' .. ids[i], X .. 'seen:' .. ids[i])
      end
    end
  end
end
-- A finished job that goes while its parent still counts it as pending: a failure without a policy. A parent whose keys
-- are of the wrong type is left alone.
local function leave_parent(parent, id)
  local wanted = {}
  want_parent(parent, wanted, {})
  if not expect_types(wanted) then forget_child(parent, P .. id, false) end
end
local function trim_finished(set, count, age_s, limit, now)
  local function drop(ids)
    if #ids == 0 then return end
    for _, id in ipairs(ids) do
      local fields = redis.pcall('HMGET', P .. id, 'parentKey', 'parent')
      local parent = not fields.err and parent_of(fields[1], fields[2])
      if parent then leave_parent(parent, id) end
    end
    delete_finished(ids)
    redis.call('ZREM', set, unpack(ids))
  end
  if age_s then
    drop(redis.call('ZREVRANGEBYSCORE', set, now - age_s * 1000, '-inf', 'LIMIT', 0, math.min(limit or 1000, TRIMMED_MOST)))
  end
  if count then
    -- Never below nothing: a negative index counts from the other end.
    local over = redis.call('ZCARD', set) - count
    if over >= 1 then drop(redis.call('ZRANGE', set, 0, math.min(TRIMMED_MOST, over) - 1)) end
  end
end
-- Gathers the finished jobs of a batch. Jobs of one rule in a row are trimmed once, which leaves the same as after each.
local function new_keeper(set, now)
  local keeper = { added = {}, gone = {}, rule = 'all', n = 0 }
  local stamp = string.format('%.0f', now)
  local count, age, limit
  function keeper.flush()
    if keeper.n == 0 then return end
    redis.call('ZADD', set, unpack(keeper.added))
    keeper.added, keeper.n = {}, 0
    if count or age then trim_finished(set, count, age, limit, now) end
  end
  -- Without a rule, all are kept. count_text '' = all; age_text, in s, '' = any.
  function keeper.keep(id, count_text, age_text, limit_text)
    local rule = count_text and count_text .. '|' .. age_text .. '|' .. limit_text or 'all'
    if rule ~= keeper.rule then
      keeper.flush()
      keeper.rule, count, age, limit = rule, tonumber(count_text), tonumber(age_text), tonumber(limit_text)
    end
    local n, added = keeper.n, keeper.added
    added[n + 1], added[n + 2] = stamp, id
    keeper.n = n + 2
  end
  function keeper.drop(id) keeper.gone[#keeper.gone + 1] = id end
  function keeper.close()
    keeper.flush()
    delete_finished(keeper.gone)
  end
  return keeper
end
