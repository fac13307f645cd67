--- @include "record"
--- @include "audit"
-- What the end of a sync writes besides: its line in the history, the watermark of its kind, and the jobs that come after it.
-- Each once, however often the end comes: after a crash behind it, or when its failed items were pushed again.
local RUNS_MOST, FAILING_MOST, ORG_INDEX_MOST, END_FIXED = 100000, 1000, 10000, 4
local function text_of(key, field)
  local found = redis.pcall('HGET', key, field)
  return type(found) == 'string' and found or ''
end
local function org_of(id) return text_of(X .. 'job:' .. id, 'org') end
local function kind_key(what, id) return X .. what .. ':' .. org_of(id) .. ':' .. text_of(P .. id, 'name') end
local function mark_key(id, kind) return X .. 'mark:' .. org_of(id) .. ':' .. kind end
-- Check before the first write.
local function end_misfit(id)
  local org = org_of(id)
  return expect_types({ X .. 'runs', 'stream', kind_key('failing', id), 'zset', mark_key(id, ARGV[13] or ''), 'hash',
    X .. 'org:' .. org, 'zset', X .. 'one:' .. org, 'hash' })
end
-- Items that have failed for good in this commit.
local function count_failing(id, items, kept_ms)
  if #items == 0 then return end
  local key = kind_key('failing', id)
  for _, item in ipairs(items) do redis.call('ZINCRBY', key, 1, item) end
  redis.call('ZREMRANGEBYRANK', key, 0, -FAILING_MOST - 1)
  redis.call('PEXPIRE', key, string.format('%.0f', kept_ms))
end
-- The mark of a run that began before the one which moved it last stays where it is: it never goes back.
local function move_mark(id, kind, value, started)
  local key = mark_key(id, kind)
  if number_of(redis.call('HGET', key, 'started')) > tonumber(started) then return end
  redis.call('HSET', key, 'value', value, 'started', started, 'job', id, 'at', now)
end
-- A job that comes after belongs to the same organisation.
local function belong(added, org)
  if org == '' then return end
  redis.call('HSET', own_record(added), 'org', org)
  redis.call('ZADD', X .. 'org:' .. org, now, added)
  redis.call('ZREMRANGEBYRANK', X .. 'org:' .. org, 0, -ORG_INDEX_MOST - 1)
  redis.call('HSET', X .. 'one:' .. org, text_of(P .. added, 'name'), added)
end
-- From `first` on: summary (JSON), when it began (ms), kind of the watermark ('' = none), its value, then the jobs.
local function note_end(id, first, final, kept_ms, add)
  local record, org = X .. 'job:' .. id, org_of(id)
  local summary, started, kind = ARGV[first], ARGV[first + 1], ARGV[first + 2]
  if kept_ms > 0 and redis.call('HGET', record, 'ended') ~= summary then
    redis.call('XADD', X .. 'runs', 'MAXLEN', '~', RUNS_MOST, '*', 'job', id, 'name', text_of(P .. id, 'name'), 'org', org,
      'started', started, 'summary', summary)
  end
  redis.call('HSET', record, 'ended', summary)
  if kind ~= '' then move_mark(id, kind, ARGV[first + 3], started) end
  if first + END_FIXED > final or redis.call('HEXISTS', record, 'after') == 1 then return end
  local ids = add(first + END_FIXED, final)
  redis.call('HSET', record, 'after', cjson.encode(ids))
  for _, added in ipairs(ids) do
    belong(added, org)
    log_entry('sync.after', added, 'was', '', 'is', 'waiting', 'by', 'bullock', 'from', 'sync ' .. id, 'why', '')
  end
end
