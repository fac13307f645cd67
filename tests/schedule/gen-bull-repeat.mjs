#!/usr/bin/env node
// Makes bull-repeat-4.16.json: what npm bull stores for repeatable jobs with unusual options, first occurrence and
// successor. The usual ones are in tests/wire/bull-4.vectors.json.
//
//   npm i bull@4.16.5            (in some scratch directory)
//   cd <that directory>
//   REDIS_URL=redis://127.0.0.1:6379 node <path>/gen-bull-repeat.mjs > bull-repeat-4.16.json
//
// Use a Redis of its own: the keys bull:gen-bull-repeat:* are deleted.
import { createRequire } from 'node:module';
import path from 'node:path';

process.env.TZ = 'UTC';
const req = createRequire(path.join(process.cwd(), 'resolve-from-here.js'));
const Bull = req('bull');
const Redis = req('ioredis');
const { updateDelaySet } = req('bull/lib/scripts');

const URL = process.env.REDIS_URL || 'redis://127.0.0.1:6379';
const NOW = 1700000000000;
const BASE = 'bull:gen-bull-repeat:';
let clock = NOW;
Date.now = () => clock;

const every = (more = {}, opts = {}) => ({ ...opts, repeat: { every: 60000, ...more } });
const noon = (more = {}, opts = {}) => ({ ...opts, repeat: { cron: '0 12 * * *', ...more } });
const cases = [
  { removeOnComplete: true, backoff: 1000, priority: 3, repeat: { every: 60000 }, attempts: '3', foo: 1, lifo: true },
  every({}, { delay: 5000, timestamp: 1699999999000 }), every({ jobId: 'own' }, { timestamp: 1, delay: '7', jobId: 7 }), every({ jobId: 'own' }),
  every({}, { jobId: 0 }), every({}, { jobId: '' }), every({}, { jobId: null }), every({}, { jobId: 'a"b\u0001é😀' }),
  every({}, { prevMillis: 1700000100000, jobId: 'late' }), every({}, { prevMillis: 1600000000000, jobId: 'late' }),
  every({}, { attempts: 2.7 }), every({}, { attempts: 'junk' }), every({}, { attempts: null }), every({}, { attempts: 0 }), every({}, { attempts: ' 4x' }),
  every({}, { backoff: { type: 'exponential', delay: 5 } }), every({}, { backoff: 0 }), every({}, { backoff: '5' }), every({}, { backoff: 2.5 }),
  every({}, { debounce: { id: 'd', ttl: 50 } }), every({ key: 'k' }), every({ count: '2' }), every({ count: -5 }), every({ count: 1.5 }), every({ count: null }),
  every({ limit: '3', x: { b: 1, a: 2 } }), every({ limit: false }), every({ limit: 'x' }), every({ limit: 1 }), every({ limit: null }),
  every({ tz: 'Europe/Rome' }), every({ cron: '' }), every({ cron: null }), every({ endDate: '' }), every({ endDate: 0 }), every({ endDate: false }),
  every({ endDate: '2030-01-01' }), every({ endDate: '2030-01-01T00:00:00+02:00' }), every({ endDate: 'Nov 16 2023' }), every({ endDate: '2030/01/02' }),
  every({ endDate: 'Wed Nov 15 2023 12:00:00 GMT+0000 (Coordinated Universal Time)' }), every({ endDate: 'Wed, 15 Nov 2023 12:00:00 GMT' }), every({ startDate: 'junk' }),
  ...['60000', 0, -1000, null, 1e-3, 1e21, 123456789012, 0.5, true, 1, 1.5, 2500.25].map(ms => ({ repeat: { every: ms } })),
  { repeat: { cron: '0 * * * *', every: 0 } }, { repeat: { cron: '0 * * * *', every: null } }, { repeat: { cron: null } }, { repeat: { cron: '' } }, { repeat: { cron: 5 } },
  noon({ tz: '' }), noon({ tz: 180 }), noon({ tz: 0 }), noon({ tz: 'UTC+3' }), noon({ tz: 'UTC+05:30' }), noon({ tz: 'PST' }), noon({ tz: 'Asia/tokyo' }), noon({ tz: true }),
  noon({ utc: true, tz: 'No/Where' }), noon({ utc: 'yes' }), noon({ utc: 1, tz: 'Asia/Tokyo' }), noon({ utc: false, tz: 'Asia/Tokyo' }),
  ...['not a date', 'Nov 15 2023', '', 0, 1701432000000, '2023-12-01', '2023-12-01T12', '2023-12-01 12:00:00', true].map(startDate => noon({ startDate })),
  ...['2023-12-01T12:00:00', '2023-12-01', '2023-12-01T12'].map(startDate => noon({ startDate, tz: 'Asia/Tokyo' })), noon({ startDate: {} }),
  ...[1700049600000, 1700049600000.7, 'Nov 16 2023', '2023-11-16 12:00:00', '2023-11-16T12', '2023-11-16T24:00:00Z', '2023-11', '2023', '', 0, false, true].map(endDate => noon({ endDate })),
  ...['2023-11-15T12:00', '2023-11-15 12:00:00 +01:00', '2023-11-16'].map(endDate => noon({ endDate, tz: 'Asia/Tokyo' })), noon({ endDate: {} }),
  noon({ currentDate: '2030-01-01T00:00:00Z' }), { repeat: { cron: '0 0 * * 1#2', nthDayOfWeek: 3 } },
  { attempts: 3, ...noon({ tz: 'Asia/Tokyo', endDate: '2030-01-01T00:00:00Z', foo: 'bar' }), removeOnFail: 5, timeout: 9, stackTraceLimit: 2, zzz: { q: [1, 2.5, -0.001] } },
  { repeat: 'x' }, { repeat: true }
].map(opts => ({ name: '__default__', opts }));
cases.push({ name: 'ä€:ü', opts: every({}, { jobId: 'ø' }) }, { name: 'a:b', opts: noon({}, { jobId: 'x:y' }) });

const redis = new Redis(URL);
for (const c of cases) {
  const old = await redis.keys(`${BASE}*`);
  if (old.length) await redis.del(...old);
  clock = NOW;
  const queue = new Bull('gen-bull-repeat', URL, { skipVersionCheck: true });
  await queue.isReady();
  try {
    c.opts = JSON.parse(JSON.stringify(c.opts));
    const job = await queue.add(c.name, {}, JSON.parse(JSON.stringify(c.opts)));
    if (!job) c.first = 'nothing added';
    else {
      const [key, score] = await redis.zrange(`${BASE}repeat`, 0, -1, 'WITHSCORES');
      c.first = { key, score, opts: await redis.hget(BASE + job.id, 'opts') };
      if (Number(score) < 4e12) {
        clock = c.claimed_at = Math.ceil(Number(score)) + 7;
        await updateDelaySet(queue, clock);
        if (await queue.moveToActive()) {
          const [id] = await redis.zrange(`${BASE}delayed`, 0, -1);
          c.next = id ? await redis.hget(BASE + id, 'opts') : null;
        } else delete c.claimed_at;
      }
    }
  } catch { c.first = 'error'; }
  await queue.close(true).catch(() => {});
}
redis.disconnect();
console.log(`{\n"engine": "bull ${req('bull/package.json').version}",\n"cases": [\n${cases.map(c => JSON.stringify(c)).join(',\n')}\n]\n}`);
