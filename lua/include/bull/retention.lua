-- Deletes a finished job with everything that belongs to it.
local function delete_finished(id)
  if redis.call('DEL', P .. id, P .. id .. ':logs', X .. 'job:' .. id) > 1 then
    redis.call('DEL', X .. 'items:' .. id, X .. 'retry:' .. id, X .. 'seen:' .. id) -- those of a sync
  end
end
-- Trims a set of finished jobs (docs/wire/bull-4.md 7.3): by age first, inclusive, then by count. In steps, because
-- `unpack` is bounded and a set may have grown to any size before somebody asked for a limit.
local function trim_finished(set, keep_count, keep_age_s, now)
  local function drop(ids)
    for _, id in ipairs(ids) do
      delete_finished(id)
      redis.call('ZREM', set, id)
    end
  end
  if keep_age_s then
    drop(redis.call('ZRANGEBYSCORE', set, '-inf', now - keep_age_s * 1000, 'LIMIT', 0, 1000))
  end
  if keep_count then
    -- Never below nothing: a negative index counts from the other end.
    local over = redis.call('ZCARD', set) - keep_count
    if over >= 1 then drop(redis.call('ZRANGE', set, 0, math.min(1000, over) - 1)) end
  end
end
