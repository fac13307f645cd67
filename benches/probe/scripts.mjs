// The bare probe's two scripts: the least that keeps the layout (Bull's or BullMQ's) and the fencing, for a batch of jobs a call.
// `options` switch single calls on, off or to another form, so that each can be priced (variants.mjs). The defaults are the probe.

const FIELD_SETS = ['data', 'opts', 'name', 'timestamp', 'attemptsMade', 'delay', 'priority', 'progress',
  'stalledCounter', 'processedOn', 'failedReason', 'stacktrace'];

export const PROBE = {
  layout: 'bull',      // bull: PUBLISH | bullmq: XADD to the event stream, counters of attempts
  batch: 100,          // jobs a script call
  lanes: 2,            // batches in flight
  read: 'hmget',       // hmget | hgetall | none (ids only) | exists (ids only, one EXISTS for all) | outside (ids only, HMGET pipelined by the client)
  fields: 5,           // how many fields HMGET reads
  pop: 'lrange',       // lrange: LRANGE, then RPOP count | rpop: RPOP count gives the ids
  lock: 'set',         // set: SET PX | psetex | none
  lockNumber: false,   // hand PX to redis.call as a Lua number instead of a string
  active: true,        // PUBLISH active@token for each job
  processedOn: true,   // HSET processedOn for each job
  lrem: 'tail',        // tail: LREM -1 | head: LREM 1 | rebuild: LRANGE all, filter, DEL, RPUSH | none
  result: 'hset',      // hset: HSET returnvalue finishedOn | hmset | none
  event: 'lua',        // lua: payload concatenated in the script | argv: comes ready from the client | cjson | none
  fence: 'mget',       // mget: one MGET | get: GET each | none
  unlock: 'del',       // del: one DEL | each: DEL each | unlink: one UNLINK | none
  zadd: 'one',         // one: a single ZADD completed | each
  call: 'redis.call',  // or redis.pcall
  shebang: false,      // #!lua in front
  stalled: false,      // SREM stalled for the batch when finishing, ZREM priority for the batch when claiming
  reply: 'nested',     // nested: an array a job | flat: one array of all | cmsgpack: one packed string
  exists: 'none',      // the finish's own test of the hashes: none | one (EXISTS with all) | each
  shuffle: false,      // finish the jobs of a batch in random order, as handlers of unlike length would
  floor: false,        // no scripts at all: the same commands pipelined from the client, unfenced (what the commands cost outside Lua)
  leases: true,        // ZADD/ZREM of leases
  duties: true,        // bullmq: what docs/wire/bullmq.md asks of every worker, each in its cheapest form; false: none of it
};

// A BullMQ worker must count starts and attempts and must not run a job that carries `defa` (5.3, 4.1 step 7).
const BULLMQ_FIELDS = ['data', 'opts', 'name', 'timestamp', 'atm', 'ats', 'defa'];
const hasDuties = (o) => o.layout === 'bullmq' && o.duties;

export function claimScript(o) {
  const lines = [];
  const put = (...text) => lines.push(...text);
  if (o.shebang) put('#!lua');
  put(`local call = ${o.call}`, 'local base, token, lock_ms, now, count, due = ARGV[1], ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5]), ARGV[6]');
  if (o.lockNumber) put('lock_ms = tonumber(lock_ms) now = tonumber(now)');
  if (o.pop === 'lrange') {
    put('local ids = call("LRANGE", KEYS[1], -count, -1)', 'local n = #ids', 'if n == 0 then return {} end');
  } else {
    put('local ids = call("RPOP", KEYS[1], count)', 'if not ids then return {} end', 'local n = #ids');
  }
  put('local out = {}');
  // LRANGE answers left to right, RPOP right to left.
  const ordered = o.pop === 'lrange' ? 'for i = n, 1, -1 do local id = ids[i]' : 'for i = 1, n do local id = ids[i]';
  const fields = (hasDuties(o) ? BULLMQ_FIELDS : FIELD_SETS.slice(0, o.fields)).map((field) => `"${field}"`).join(', ');
  // 4.1 steps 1 and 2: a queue that is paused or full is left alone, what is due comes first. Here neither is ever so.
  if (hasDuties(o)) {
    put('local meta = call("HMGET", base .. "meta", "paused", "concurrency", "max", "duration")',
      'if meta[1] or meta[2] or meta[3] or #call("ZRANGEBYSCORE", base .. "delayed", "-inf", (now + 1) * 4096 - 1, "LIMIT", 0, 1000) > 0 then return redis.error_reply("not a plain queue") end');
  }
  if (o.read === 'hmget') {
    const into = o.reply === 'flat' ? `local at = #out for f = 1, ${o.fields} do out[at + f] = job[f] end out[at + ${o.fields + 1}] = id` : 'job[#job + 1] = id out[#out + 1] = job';
    put('local starts = {}');
    put(ordered, `local job = call("HMGET", base .. id, ${fields})`, hasDuties(o) ? 'starts[id] = (job[6] or 0) + 1' : '', `if job[1] then ${into} end`, 'end');
  } else if (o.read === 'hgetall') {
    put(ordered, 'local job = call("HGETALL", base .. id)', 'job[#job + 1] = id out[#out + 1] = job', 'end');
  } else {
    if (o.read === 'exists') put('local keys = {}', 'for i = 1, n do keys[i] = base .. ids[i] end', 'if call("EXISTS", unpack(keys)) ~= n then return {} end');
    put(ordered, 'out[#out + 1] = id', 'end');
  }
  if (o.pop === 'lrange') put('call("RPOP", KEYS[1], count)');
  put(o.pop === 'lrange' ? 'local moved = {} for i = 1, n do moved[i] = ids[n + 1 - i] end call("LPUSH", KEYS[2], unpack(moved))' : 'call("LPUSH", KEYS[2], unpack(ids))');
  put('local leases = {}', `local channel = base .. "active@" .. token`, 'for i = 1, n do local id = ids[i] local key = base .. id');
  if (o.lock === 'set') put('call("SET", key .. ":lock", token, "PX", lock_ms)');
  if (o.lock === 'psetex') put('call("PSETEX", key .. ":lock", lock_ms, token)');
  if (o.layout === 'bullmq') {
    put('call("XADD", base .. "events", "*", "event", "active", "jobId", id, "prev", "waiting")');
    put(`call("HSET", key, "processedOn", now, "ats", ${hasDuties(o) ? 'starts[id]' : '1'})`);
  } else {
    if (o.active) put('call("PUBLISH", channel, id)');
    if (o.processedOn) put('call("HSET", key, "processedOn", now)');
  }
  put('leases[2 * i - 1] = due leases[2 * i] = id', 'end');
  if (o.leases) put('call("ZADD", KEYS[3], unpack(leases))');
  if (o.stalled) put('call("ZREM", base .. "priority", unpack(ids))');
  if (hasDuties(o)) put('call("ZADD", base .. "marker", 0, "0")'); // 4.1 step 7: wakes the next worker
  put(o.reply === 'cmsgpack' ? 'return cmsgpack.pack(out)' : 'return out');
  return lines.join('\n');
}

/** ARGV: base, token, now, then id and result of each job (and the event, when the client encodes it). Answers the ids refused. */
export function finishScript(o) {
  const stride = o.event === 'argv' ? 3 : 2;
  const lines = [];
  const put = (...text) => lines.push(...text);
  if (o.shebang) put('#!lua');
  put(`local call = ${o.call}`, 'local base, token, now = ARGV[1], ARGV[2], ARGV[3]', `local n = (#ARGV - 3) / ${stride}`,
    'local locks = {}', `for i = 1, n do locks[i] = base .. ARGV[${stride} * i + ${4 - stride}] .. ":lock" end`);
  if (o.fence === 'mget') put('local held = call("MGET", unpack(locks))');
  else if (o.fence === 'none') put('local held = {} for i = 1, n do held[i] = token end');
  else put('local held = {} for i = 1, n do held[i] = call("GET", locks[i]) end');
  if (o.exists === 'one') put('local keys = {} for i = 1, n do keys[i] = base .. ARGV[2 * i + 2] end', 'if call("EXISTS", unpack(keys)) ~= n then return ARGV end');
  if (o.event === 'cjson') put('local encode = cjson.encode');
  if (hasDuties(o)) {
    // 6.1: steps 1 and 2 (is it there, has it pending or failed children), 5 (parent, deduplication), 10 (attempts), 7 (trimming).
    put('local keys, children, made = {}, {}, {}',
      `for i = 1, n do local key = base .. ARGV[${stride} * i + ${4 - stride}] keys[i] = key children[2 * i - 1] = key .. ":dependencies" children[2 * i] = key .. ":unsuccessful" end`,
      'if call("EXISTS", unpack(keys)) ~= n or call("EXISTS", unpack(children)) > 0 then return redis.error_reply("not plain jobs") end',
      'for i = 1, n do local said = call("HMGET", keys[i], "parentKey", "deid", "atm") if said[1] or said[2] then return redis.error_reply("not plain jobs") end made[i] = (said[3] or 0) + 1 end',
      'call("XTRIM", base .. "events", "MAXLEN", "~", 10000)');
  }
  put('local mine, scores, ids, lost = {}, {}, {}, {}', 'local channel = base .. "completed"');
  put('for i = 1, n do', `local id, result = ARGV[${stride} * i + ${4 - stride}], ARGV[${stride} * i + ${5 - stride}]`,
    'if held[i] == token then', 'local at = #ids + 1', 'mine[at] = locks[i] ids[at] = id', 'scores[2 * at - 1] = now scores[2 * at] = id');
  if (o.exists === 'each') put('if call("EXISTS", base .. id) == 0 then return ARGV end');
  if (o.unlock === 'each') put('call("DEL", locks[i])');
  if (o.lrem === 'tail') put('call("LREM", KEYS[1], -1, id)');
  if (o.lrem === 'head') put('call("LREM", KEYS[1], 1, id)');
  if (o.zadd === 'each') put('call("ZADD", KEYS[2], now, id)');
  if (o.layout === 'bullmq') {
    put(`call("HSET", base .. id, "returnvalue", result, "finishedOn", now, "atm", ${hasDuties(o) ? 'made[i]' : '1'})`);
    put('call("XADD", base .. "events", "*", "event", "completed", "jobId", id, "returnvalue", result, "prev", "active")');
  } else if (o.result === 'hset') put('call("HSET", base .. id, "returnvalue", result, "finishedOn", now)');
  if (o.result === 'hmset') put('call("HMSET", base .. id, "returnvalue", result, "finishedOn", now)');
  // A result that is plain JSON of numbers and words needs no escaping; whoever sends quotes uses argv or cjson.
  if (o.layout === 'bull' && o.event === 'lua') put(`call("PUBLISH", channel, '{"jobId":"' .. id .. '","val":"' .. result .. '"}')`);
  if (o.event === 'argv') put(`call("PUBLISH", channel, ARGV[${stride} * i + 3])`);
  if (o.event === 'cjson') put('call("PUBLISH", channel, encode({ jobId = id, val = result }))');
  put('else lost[#lost + 1] = id end', 'end', 'if #ids > 0 then');
  if (o.lrem === 'rebuild') {
    put('local done, left = {}, {} for i = 1, #ids do done[ids[i]] = true end',
      'for _, id in ipairs(call("LRANGE", KEYS[1], 0, -1)) do if not done[id] then left[#left + 1] = id end end',
      'call("DEL", KEYS[1]) if #left > 0 then call("RPUSH", KEYS[1], unpack(left)) end');
  }
  if (o.unlock === 'del') put('call("DEL", unpack(mine))');
  if (o.unlock === 'unlink') put('call("UNLINK", unpack(mine))');
  if (o.zadd === 'one') put('call("ZADD", KEYS[2], unpack(scores))');
  if (o.leases) put('call("ZREM", KEYS[3], unpack(ids))');
  if (o.stalled) put('call("SREM", base .. "stalled", unpack(ids))');
  if (hasDuties(o)) put('if call("EXISTS", base .. "wait", base .. "active", base .. "prioritized") == 0 then call("XADD", base .. "events", "*", "event", "drained") end'); // step 16
  put('end', 'return lost');
  return lines.join('\n');
}

export const fieldNames = (o) => FIELD_SETS.slice(0, o.fields);
