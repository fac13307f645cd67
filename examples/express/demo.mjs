// Shows Bullock at work, and judges it by npm bull's own getters.
//
//   node demo.mjs          stays up afterwards; Ctrl-C ends everything
//   node demo.mjs --once   ends by itself: exit 0 only if every job ended as it should
//
// BULLOCK_BIN names the binary (default: the one that `cargo build` makes).
import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { demos, openQueues, startLongSync } from './jobs.mjs';
import { answersOk, answersPing, fileOf, freePort, lastLines, logOf, pause, ready, start, stop, stopAll } from './processes.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
const there = path.join(here, '../store');
const target = process.env.CARGO_TARGET_DIR ?? path.join(here, '../../target');
const bullockBinary = path.resolve(process.env.BULLOCK_BIN ?? path.join(target, 'debug/bullock'));
const once = process.argv.includes('--once');
const unknown = process.argv.slice(2).filter((argument) => argument !== '--once');
if (unknown.length > 0) {
  console.error(`demo: unknown argument ${unknown[0]} (known: --once)`);
  process.exit(2);
}
const line = (label, text) => console.log(`  ${label.padEnd(9)} ${text}`);
const PORT_TRIES = 5;

// The first Ctrl-C ends everything in order, the second at once.
let staying = false;
const interruption = new Promise((resolve) => {
  for (const signal of ['SIGINT', 'SIGTERM']) {
    process.once(signal, () => {
      resolve();
      process.once(signal, () => process.exit(130));
    });
  }
});

async function startRedis() {
  for (let attempt = 1; ; attempt += 1) {
    const port = await freePort();
    const redis = start('redis', 'redis-server', ['--port', String(port), '--bind', '127.0.0.1', '--save', '',
      '--appendonly', 'yes', '--appendfsync', 'everysec', '--maxmemory-policy', 'noeviction']);
    try {
      await ready(redis, () => answersPing(port));
      await pause(20); // one that lost the race for its port has ended by now, and a stranger answered
      if (redis.ended) throw new Error(`redis ${redis.ended}`);
      line('redis', `127.0.0.1:${port} (private, gone at the end)`);
      return `redis://127.0.0.1:${port}`;
    } catch (error) {
      await stop(redis);
      if (attempt === PORT_TRIES || redis.ended.startsWith('there is no')) throw error;
    }
  }
}

async function startBackend(env) {
  const backend = start('backend', process.execPath, [path.join(here, 'backend.mjs')], { ...env, PORT: '0' });
  const url = await ready(backend, () => /listening on (\S+)\n/.exec(backend.stdout)?.[1]);
  line('backend', `${url} (Express)`);
  return url;
}

/** The shop and the back office of examples/store, with both ends of the syncs. */
async function startSides(env) {
  const serve = async (name, args) => {
    const one = start(name, process.execPath, [path.join(there, `${name}.mjs`), '--port', '0', ...args], env);
    return ready(one, () => /: (http:\S+)\n/.exec(one.stdout)?.[1]);
  };
  const store = await serve('store', ['--products', '202910', '--without-sku', '20', '--rate', '20']);
  const office = await serve('office', ['--store', store, '--ledger', fileOf('ledger.ndjson')]);
  line('store', `${store} (797 customers, 202,910 products), ${office} takes them`);
  return office;
}

/** Both examples in one config; nobody wants to watch two seconds between two batches of customers. */
function writeConfig(office) {
  const own = readFileSync(path.join(here, 'bullock.toml'), 'utf8').replace('report.mjs', path.join(here, 'report.mjs'));
  const syncs = readFileSync(path.join(there, 'bullock.toml'), 'utf8').replace(/^[^]*?(?=\[queues\.)/, '')
    .replaceAll('http://127.0.0.1:3000', office).replace('batch_delay = "2s"', 'batch_delay = "250ms"');
  writeFileSync(fileOf('bullock.toml'), `${own}\n${syncs}`);
}

async function startBullock(env) {
  const admin = `127.0.0.1:${await freePort()}`;
  const began = performance.now();
  const bullock = start('bullock', bullockBinary, ['run', '-c', fileOf('bullock.toml')],
    { ...env, BULLOCK_ADMIN__LISTEN: admin }, here);
  await ready(bullock, () => answersOk(`http://${admin}/readyz`));
  line('bullock', `ready in ${Math.round(performance.now() - began)} ms, http://${admin}/metrics`);
  return admin;
}

/** Runs all demos side by side. Gives the failures. */
async function judge(queues) {
  const failures = [];
  console.log();
  await Promise.all(demos.map(async ([what, run]) => {
    const began = performance.now();
    let outcome;
    let mark = 'ok  ';
    try {
      outcome = await run(queues);
    } catch (error) {
      mark = 'FAIL';
      outcome = error.message.split('\n').filter(Boolean).join(' ');
      failures.push(`${what}: ${outcome}`);
    }
    console.log(`  ${mark} ${what.padEnd(26)} ${outcome}  (${Math.round(performance.now() - began)} ms)`);
  }));
  console.log();
  return failures;
}

function lookAround(redisUrl, backendUrl, admin) {
  console.log(`  All of it is running, and a sync of 202,910 products goes on. Look around:

    http://${admin}/ in a browser: queues, jobs, the sync as it goes on
    curl -s ${backendUrl}/customers -H 'content-type: application/json' -d '{"email":"eve@example.com"}'
    redis-cli -u ${redisUrl} zrange bull:mail:completed 0 -1
    REDIS_URL=${redisUrl} ${path.relative(process.cwd(), bullockBinary)} queue ls
    REDIS_URL=${redisUrl} ${path.relative(process.cwd(), bullockBinary)} sync show shop-sync products-acme
    tail -f ${logOf('bullock')}

  Ctrl-C ends everything and removes it.`);
}

async function main() {
  const env = { WEBHOOK_SECRET: `whsec_${randomBytes(24).toString('base64')}` };
  env.REDIS_URL = await startRedis();
  env.BACKEND_URL = await startBackend(env);
  writeConfig(await startSides(env));
  const admin = await startBullock(env);
  const queues = openQueues(env.REDIS_URL);
  const failures = await judge(queues);
  if (failures.length > 0) {
    console.log(`  ${failures.length} of ${demos.length} did not end as they should:\n${failures.map((text) => `    ${text}`).join('\n')}`);
    console.log(lastLines('bullock'));
  } else {
    console.log(`  ${demos.length} of ${demos.length} ended as they should, by npm bull's own getters.`);
  }
  if (!once) {
    await startLongSync(queues);
    lookAround(env.REDIS_URL, env.BACKEND_URL, admin);
    staying = true;
    await interruption;
    console.log('\n  ending …');
  }
  await Promise.all(Object.values(queues).map((queue) => queue.close(true)));
  return failures.length === 0 ? 0 : 1;
}

let code = 1;
try {
  const run = main();
  code = await Promise.race([run, interruption.then(() => (staying ? run : 130))]);
} catch (error) {
  console.error(`demo: ${error.message}`);
}
await stopAll();
process.exit(code);
