--- @include "record"
-- The index of waiting jobs by organisation and by the keys that limits count (docs/orgs.md). Entries are hints: what waits
-- says `wait` (and `prioritized`). Jobs that the same limits hold are one group, and stand in its line in their order.
-- `turns`         hash  conf (JSON); turn, low, high: the last turn, and how far seats go; cursors of the sweep
-- `turns:of`      hash  id -> group, a JSON list: org, then label and value of each limit that counts it
-- `turns:seats`   zset  ids of `wait` by their place, the consumer end first
-- `turns:groups`  set   groups with a line
-- `turns:line:<group>`  zset  its ids by priority and place
-- `turns:orgs`    zset  orgs with a group that may be taken from, by their last turn; '' = there are no turns
-- `turns:org:<org>`     zset  these groups by the score of their first id
-- `turns:held`    zset  keys without room, by when to look again (ms); `turns:held:<key>` zset, the groups that wait for it
-- `turns:holds`   hash  group -> the key that it waits for
-- `turns:running` hash  id -> keys (JSON) of the runs that limits count, as long as the id is in `leases`, too;
-- `turns:counts`  hash  how many these are, by key
-- `turns:rate:<key>`    list  when its last jobs began (ms)
local turns, T = X .. 'turns', X .. 'turns:'
local of, seats, groups, orgs = T .. 'of', T .. 'seats', T .. 'groups', T .. 'orgs'
local held, holds, running, counted = T .. 'held', T .. 'holds', T .. 'running', T .. 'counts'
-- Line scores are rank * this + place.
local RANK_STEP, FIRST_SEAT = 4294967296, 2147483648
-- Longer values of keys are counted by their hash; longer data is not looked into.
local VALUE_BYTES_MAX, DATA_BYTES_MAX = 128, 1048576
local DROPPED_MOST = 1000
-- Groups that one key lets go at a time; the others follow so much later.
local RELEASED_MOST, AGAIN_MS = 20, 50
local conf, state = nil, nil

local function turns_misfit()
  return (expect_types({ turns, 'hash', of, 'hash', seats, 'zset', groups, 'set', orgs, 'zset', held, 'zset', holds, 'hash',
    running, 'hash', counted, 'hash', X .. 'leases', 'set' }))
end
local function set_of(names)
  if not names then return nil end
  local found = {}
  for _, name in ipairs(names) do found[name] = true end
  return found
end
-- Reads what the workers agreed on. False = nobody has said it yet.
local function load_turns()
  local known = redis.call('HMGET', turns, 'conf', 'turn', 'low', 'high', 'list', 'set')
  if not known[1] then return false end
  conf = cjson.decode(known[1])
  conf.by_label = {}
  for _, limit in ipairs(conf.limits) do
    limit.names, limit.except = set_of(limit.names), set_of(limit.except)
    conf.by_label[limit.label] = limit
    conf.reads_data = conf.reads_data or limit.path ~= nil
    conf.needs_org = conf.needs_org or limit.path == nil
    conf.counts_running = conf.counts_running or limit.running ~= nil
  end
  conf.needs_org = conf.needs_org or conf.fair
  conf.reads_data = conf.reads_data or (conf.needs_org and conf.org ~= nil)
  local function number(i, otherwise) return tonumber(known[i] or otherwise) or otherwise end
  state = { turn = number(2, 0), low = number(3, FIRST_SEAT), high = number(4, FIRST_SEAT), list = number(5, 0),
    set = number(6, 0) }
  return true
end
local function save_turns()
  local function whole(n) return string.format('%.0f', n) end
  redis.call('HSET', turns, 'turn', whole(state.turn), 'low', whole(state.low), 'high', whole(state.high),
    'list', whole(state.list), 'set', whole(state.set))
end

-- A value that can be counted: a text, a number or a truth.
local function countable(value)
  local kind = type(value)
  if kind == 'number' then
    value = string.format(value % 1 == 0 and '%.0f' or '%.17g', value)
  elseif kind == 'boolean' then
    value = tostring(value)
  elseif kind ~= 'string' or value == '' then
    return nil
  end
  return #value > VALUE_BYTES_MAX and redis.sha1hex(value) or value
end
local function at_path(data, path)
  for i = 1, #path do
    if type(data) ~= 'table' then return nil end
    data = data[path[i]]
  end
  return countable(data)
end
-- What was said when the job was started here comes before what its data say.
local function org_of(id, data)
  local record = X .. 'job:' .. id
  local said = redis.pcall('HGET', record, 'org')
  if type(said) == 'string' and is_about(record, id) then return countable(said) end
  return conf.org and at_path(data, conf.org)
end
-- The group of a job, its priority, and how many bytes were read for it. What is no job is nobody's: the claim buries it.
local function group_of(id)
  local size = conf.reads_data and redis.pcall('HSTRLEN', P .. id, 'data')
  local reads = type(size) == 'number' and size > 0 and size <= DATA_BYTES_MAX
  local fields = reads and redis.pcall('HMGET', P .. id, 'name', 'priority', 'data')
    or redis.pcall('HMGET', P .. id, 'name', 'priority')
  if fields.err then fields = {} end
  local fine, data = pcall(cjson.decode, fields[3])
  if not fine or type(data) ~= 'table' then data = nil end
  local org = conf.needs_org and org_of(id, data) or nil
  local name, group = fields[1] or '', { org or '' }
  for _, limit in ipairs(conf.limits) do
    local meant = (not limit.names or limit.names[name]) and not (limit.except and limit.except[name])
    local value = meant and (limit.path and at_path(data, limit.path) or not limit.path and org) or nil
    if value then
      group[#group + 1] = limit.label
      group[#group + 1] = value
    end
  end
  return cjson.encode(group), fields[2], reads and size or 0
end
local function line_of(group) return T .. 'line:' .. group end
-- The groups of one organisation have their turns together; without turns all stand in one row, by their first ids.
local function row_of(group)
  return conf.fair and cjson.decode(group)[1] or ''
end
-- Puts a group where it belongs after its line or what holds it has changed.
local function offer(group)
  local first = redis.call('ZRANGE', line_of(group), 0, 0, 'WITHSCORES')
  local row, key = row_of(group), redis.call('HGET', holds, group)
  if not first[1] then
    redis.call('ZREM', T .. 'org:' .. row, group)
    redis.call('SREM', groups, group)
    if key then
      redis.call('ZREM', T .. 'held:' .. key, group)
      redis.call('HDEL', holds, group)
    end
  elseif key then
    redis.call('ZADD', T .. 'held:' .. key, first[2], group)
    redis.call('ZADD', held, 'NX', now, key)
  else
    redis.call('ZADD', T .. 'org:' .. row, first[2], group)
    -- Who comes anew comes after all who wait already.
    redis.call('ZADD', orgs, 'NX', conf.fair and state.turn or 0, row)
  end
end
local function forget_entry(id, group)
  redis.call('HDEL', of, id)
  redis.call('ZREM', seats, id)
  redis.call('ZREM', line_of(group), id)
end
-- Drops the index, some of it at a time: true = nothing is left. Who runs and who began when stays known.
local function drop_index()
  local some = redis.call('SPOP', groups, DROPPED_MOST)
  for _, group in ipairs(some) do redis.call('UNLINK', line_of(group)) end
  if #some == DROPPED_MOST then return false end
  for _, org in ipairs(redis.call('ZRANGE', orgs, 0, -1)) do redis.call('UNLINK', T .. 'org:' .. org) end
  for _, key in ipairs(redis.call('ZRANGE', held, 0, -1)) do redis.call('UNLINK', T .. 'held:' .. key) end
  redis.call('UNLINK', of, seats, orgs, held, holds)
  redis.call('HDEL', turns, 'turn', 'low', 'high', 'list', 'set')
  return true
end
