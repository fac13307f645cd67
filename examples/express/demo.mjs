// Shows Bullock at work, and judges it by npm bull's own getters.
//
//   node demo.mjs          stays up afterwards; Ctrl-C ends everything
//   node demo.mjs --once   ends by itself: exit 0 only if every job ended as it should
//
// BULLOCK_BIN names the binary (default: the one that `cargo build` makes).
import { randomBytes } from 'node:crypto';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { demos, openQueues } from './jobs.mjs';
import { answersOk, answersPing, freePort, lastLines, logOf, pause, ready, start, stop, stopAll } from './processes.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
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

async function startBullock(env) {
  const admin = `127.0.0.1:${await freePort()}`;
  const began = performance.now();
  const bullock = start('bullock', bullockBinary, ['run', '-c', path.join(here, 'bullock.toml')],
    { ...env, BULLOCK_ADMIN__LISTEN: admin }, here);
  await ready(bullock, () => answersOk(`http://${admin}/readyz`));
  line('bullock', `ready in ${Math.round(performance.now() - began)} ms, http://${admin}/metrics`);
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

function lookAround(redisUrl, backendUrl) {
  console.log(`  All of it is running. Look around:

    curl -s ${backendUrl}/customers -H 'content-type: application/json' -d '{"email":"eve@example.com"}'
    redis-cli -u ${redisUrl} zrange bull:mail:completed 0 -1
    REDIS_URL=${redisUrl} ${path.relative(process.cwd(), bullockBinary)} queue ls
    tail -f ${logOf('bullock')}

  Ctrl-C ends everything and removes it.`);
}

async function main() {
  const env = { WEBHOOK_SECRET: `whsec_${randomBytes(24).toString('base64')}` };
  env.REDIS_URL = await startRedis();
  env.BACKEND_URL = await startBackend(env);
  await startBullock(env);
  const queues = openQueues(env.REDIS_URL);
  const failures = await judge(queues);
  if (failures.length > 0) {
    console.log(`  ${failures.length} of ${demos.length} did not end as they should:\n${failures.map((text) => `    ${text}`).join('\n')}`);
    console.log(lastLines('bullock'));
  } else {
    console.log(`  ${demos.length} of ${demos.length} ended as they should, by npm bull's own getters.`);
  }
  if (!once) {
    lookAround(env.REDIS_URL, env.BACKEND_URL);
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
