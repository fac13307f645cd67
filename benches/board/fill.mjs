// A queue of very many jobs in all states, in the library's layout, written by a script inside Redis: npm would take many minutes.
import { fillBull, fillBullmq } from '../lib/fill.mjs';

const CHUNK = 5000;
/** Parts of all jobs. */
const STATES = {
  bull: { completed: 0.4, failed: 0.2, waiting: 0.28, delayed: 0.1, active: 0.02 },
  bullmq: { completed: 0.4, failed: 0.2, waiting: 0.18, prioritized: 0.09, delayed: 0.1, 'waiting-children': 0.01, active: 0.02 },
};
const LISTS = { waiting: 'wait', active: 'active' };

// KEYS base · ARGV first id, jobs, state, key of the state, dialect, now in ms. What npm bull and npm bullmq store of a small sync job.
const WRITE = `
local base, first, n, state, key, mq, now = KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3], KEYS[1] .. ARGV[4], ARGV[5] == 'bullmq', tonumber(ARGV[6])
local is_list, made = state == 'waiting' or state == 'active', mq and 'atm' or 'attemptsMade'
for id = first, first + n - 1 do
  local at = string.format('%.0f', now - id)
  local data = string.format('{"shop":"shop-%d","page":%d,"since":"2026-11-01T00:00:00.000Z","note":"%s"}', id % 797, id, string.rep('n', 200))
  local hash = { 'name', id % 3 == 0 and 'full-sync' or 'sync', 'data', data, 'opts', '{"attempts":3}', 'timestamp', at, 'delay', state == 'delayed' and '3600000' or '0',
    'priority', state == 'prioritized' and tostring(id % 10 + 1) or '0' }
  local add = function(...) for _, one in ipairs({ ... }) do hash[#hash + 1] = one end end
  if state ~= 'waiting' and state ~= 'delayed' and state ~= 'prioritized' then add('processedOn', at) end
  if state == 'completed' then add('finishedOn', at, 'returnvalue', '{"total":50,"failed":0}', made, '1') end
  if state == 'failed' then
    local reason = string.format('Shopify %d: retry after %d s', 400 + id % 30, id % 60)
    add('finishedOn', at, 'failedReason', reason, 'stacktrace', '["Error: ' .. reason .. '\\\\n    at sync (/app/sync.js:10:11)"]', made, '3')
  end
  redis.call('HSET', base .. id, unpack(hash))
  if is_list then redis.call('LPUSH', key, id)
  elseif state == 'delayed' then redis.call('ZADD', key, string.format('%.0f', (now + id) * (mq and 4096 or 1)), id)
  elseif state == 'prioritized' then redis.call('ZADD', key, string.format('%.0f', (id % 10 + 1) * 4294967296 + id), id)
  else redis.call('ZADD', key, at, id) end
end
redis.call('SET', base .. 'id', first + n - 1)`;

/** Answers how many jobs are in each state. */
export async function fillMany(server, dialect, queue, jobs) {
  // What the library leaves by itself: counters, its `meta`, its events.
  await (dialect === 'bull' ? fillBull : fillBullmq)(server.url, queue, 1);
  const base = `bull:${queue}:`;
  let first = 2;
  const counts = {};
  for (const [state, part] of Object.entries(STATES[dialect])) {
    const n = Math.round(jobs * part);
    counts[state] = n;
    for (let done = 0; done < n; done += CHUNK) {
      const chunk = Math.min(CHUNK, n - done);
      await server.client.eval(WRITE, 1, base, first, chunk, state, LISTS[state] ?? state, dialect, Date.now());
      first += chunk;
    }
  }
  return counts;
}
