// What each call of a claim or finish script costs: the probe against variants of itself, in turn, a fresh server for each run.
//   node probe/variants.mjs [--rounds 5] [--n 20000] [--only name,name] [--json]
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import Redis from 'ioredis';
import { fillBull } from '../lib/fill.mjs';
import { PrivateRedis } from '../lib/private-redis.mjs';
import { PROBE } from './scripts.mjs';

const VARIANTS = {
  probe: {},
  // how many jobs a call
  'batch 1': { batch: 1, lanes: 100 }, 'batch 10': { batch: 10, lanes: 10 }, 'batch 25': { batch: 25, lanes: 4 },
  'batch 50': { batch: 50 }, 'batch 200': { batch: 200 }, 'batch 1000': { batch: 1000 },
  // reading the jobs
  'read: 1 field': { fields: 1 }, 'read: 3 fields': { fields: 3 }, 'read: 8 fields': { fields: 8 }, 'read: 12 fields': { fields: 12 },
  'read: HGETALL': { read: 'hgetall' }, 'read: ids only (no read at all)': { read: 'none' }, 'read: ids + one EXISTS': { read: 'exists' },
  'read: HMGET 5 pipelined outside': { read: 'outside' }, 'read: HMGET 12 pipelined outside': { read: 'outside', fields: 12 },
  'read: HGETALL pipelined outside': { read: 'outside-all' },
  // claiming
  'pop: RPOP count without LRANGE': { pop: 'rpop' }, 'lock: PSETEX': { lock: 'psetex' }, 'no lock and fence': { lock: 'none', fence: 'none', unlock: 'none' },
  'numbers instead of strings as arguments': { lockNumber: true }, 'no PUBLISH active': { active: false }, 'no HSET processedOn': { processedOn: false },
  'reply: flat': { reply: 'flat' }, 'reply: cmsgpack': { reply: 'cmsgpack' },
  'no leases zset': { leases: false }, 'with ZREM priority and SREM stalled': { stalled: true },
  // finishing
  'fence: GET each': { fence: 'get' }, 'unlock: DEL each': { unlock: 'each' }, 'unlock: UNLINK': { unlock: 'unlink' },
  'LREM from the head': { lrem: 'head' }, 'LREM: none': { lrem: 'none' }, 'LREM: rebuild the list': { lrem: 'rebuild' },
  'result: none': { result: 'none' }, 'result: HMSET': { result: 'hmset' }, 'ZADD completed each': { zadd: 'each' },
  'event: none': { event: 'none' }, 'event: ready from the client': { event: 'argv' }, 'event: cjson.encode': { event: 'cjson' },
  'no PUBLISH at all': { active: false, event: 'none' },
  '1 listener on completed': { listen: ['completed'] }, '1 pattern listener on active*': { listenPattern: ['active*'] },
  'finish: one EXISTS for all': { exists: 'one' }, 'finish: EXISTS each': { exists: 'each' },
  // the calls themselves
  'no scripts: the same commands pipelined': { floor: true },
  'pcall instead of call': { call: 'redis.pcall' }, '#!lua': { shebang: true },
  // the order that handlers finish in, and how many jobs are active
  'random order': { shuffle: true }, 'random order: rebuild': { shuffle: true, lrem: 'rebuild' },
  '1000 active': { lanes: 10 }, '1000 active: rebuild': { lanes: 10, lrem: 'rebuild' }, '1000 active: no leases': { lanes: 10, leases: false },
  '1000 active: random order': { lanes: 10, shuffle: true },
  'no leases: RPOP count without LRANGE': { leases: false, pop: 'rpop' },
  // together
  'all that helps': { leases: false, fields: 3, lrem: 'rebuild', reply: 'flat' },
  'all that a real worker needs': { leases: false, fields: 8, stalled: true, exists: 'one', reply: 'flat' },
  'all that a real worker needs: 50 a batch': { leases: false, fields: 8, stalled: true, exists: 'one', reply: 'flat', batch: 50 },
};

const { values: flags } = parseArgs({ options: {
  rounds: { type: 'string', default: '5' }, n: { type: 'string', default: '20000' }, only: { type: 'string' }, json: { type: 'boolean' },
} });
const n = Number(flags.n);
const names = flags.only ? flags.only.split(',') : Object.keys(VARIANTS);

async function once(snapshot, variant) {
  const server = await PrivateRedis.start({ snapshot });
  const listener = new Redis(server.url);
  try {
    for (const event of variant.listen ?? []) await listener.subscribe(`bull:q:${event}`);
    for (const event of variant.listenPattern ?? []) await listener.psubscribe(`bull:q:${event}`);
    await server.resetCounters();
    const before = await server.cpuMicros();
    const run = await worker(server.url, variant);
    const redis = (await server.cpuMicros()) - before;
    const commands = Object.entries(await server.commands());
    const [waiting, active, completed] = await Promise.all([server.client.llen('bull:q:wait'), server.client.llen('bull:q:active'), server.client.zcard('bull:q:completed')]);
    if (waiting || completed !== n || (active && variant.lrem !== 'none')) throw new Error(`wrong end: ${waiting} waiting, ${active} active, ${completed} completed`);
    const sum = (of) => commands.filter(([name]) => of(name)).reduce((total, [, { usec }]) => total + usec, 0);
    const script = (name) => name.startsWith('eval');
    return { redis: redis / n, script: sum(script) / n, inner: sum((name) => !script(name)) / n,
      calls: commands.reduce((total, [, { calls }]) => total + calls, 0) / n, rate: run.jobs / run.s, client: run.client_us / n };
  } finally {
    listener.disconnect();
    await server.stop();
  }
}

async function worker(url, variant) {
  const driver = fileURLToPath(new URL('driver.mjs', import.meta.url));
  const child = spawn('taskset', ['-c', '1', process.execPath, driver, url, 'q', JSON.stringify(variant)], { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  child.stdout.on('data', (chunk) => { text += chunk; });
  const code = await new Promise((resolve) => child.on('close', resolve));
  if (code !== 0) throw new Error(`the probe ended with ${code}`);
  return JSON.parse(text);
}

const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];

const filled = await PrivateRedis.start({ core: null });
await fillBull(filled.url, 'q', n);
const snapshot = await filled.snapshot();
const runs = Object.fromEntries(names.map((name) => [name, []]));
for (let round = 0; round < Number(flags.rounds); round += 1) {
  for (const name of names) runs[name].push(await once(snapshot, VARIANTS[name] ?? (() => { throw new Error(`no variant ${name}`); })()));
}
await filled.stop();

console.log('| variant | Redis CPU µs/job, median | least | vs probe | in scripts | in commands | commands/job | jobs/s | client µs/job |');
console.log('|---|---|---|---|---|---|---|---|---|');
const of = (name, figure) => runs[name].map((run) => run[figure]);
for (const name of names) {
  const figures = Object.fromEntries(['redis', 'script', 'inner', 'calls', 'rate', 'client'].map((figure) => [figure, median(of(name, figure))]));
  const least = Math.min(...of(name, 'redis'));
  const against = runs.probe ? least - Math.min(...of('probe', 'redis')) : NaN;
  console.log(`| ${name} | ${figures.redis.toFixed(2)} | ${least.toFixed(2)} | ${against >= 0 ? '+' : ''}${against.toFixed(2)} | ${figures.script.toFixed(2)} | ${figures.inner.toFixed(2)} | ${figures.calls.toFixed(2)} | ${Math.round(figures.rate)} | ${figures.client.toFixed(1)} |`);
}
