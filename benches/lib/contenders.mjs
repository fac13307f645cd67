// Who is compared, and how each is started. A contender's `drain` and `add` end by themselves and print one line of JSON;
// `worker` runs until SIGTERM and handles jobs by one HTTP call.
import { existsSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const benches = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const script = (...parts) => join(benches, ...parts);
const node = process.execPath;
export const bullockBinary = process.env.BULLOCK_BIN ?? resolve(benches, '../target/release/bullock');
const officialBinary = process.env.OFFICIAL_BIN ?? join(benches, 'official/target/release/official');

const needs = (binary, how) => (existsSync(binary) ? null : `${binary} is not there: ${how}`);
const bullockMissing = () => needs(bullockBinary, 'run `cargo build --release`, or set BULLOCK_BIN');
const officialMissing = () => needs(officialBinary, 'run `cargo build --release --manifest-path benches/official/Cargo.toml`, or set OFFICIAL_BIN');

const bull = {
  name: 'bull 4.16.5', layout: 'bull',
  drain: (url, queue, n, slots) => [node, script('contenders/bull.mjs'), 'drain', url, queue, `${n}`, `${slots}`],
  add: (url, queue, n, flight) => [node, script('contenders/bull.mjs'), 'add', url, queue, `${n}`, `${flight}`],
  worker: (url, queue, slots, endpoint) => [node, script('contenders/bull.mjs'), 'work', url, queue, '0', `${slots}`, endpoint],
};

const bullmq = {
  name: 'bullmq 6.7.0', layout: 'bullmq',
  drain: (url, queue, n, slots) => [node, script('contenders/bullmq.mjs'), 'drain', url, queue, `${n}`, `${slots}`],
  add: (url, queue, n, flight) => [node, script('contenders/bullmq.mjs'), 'add', url, queue, `${n}`, `${flight}`],
};

const official = {
  name: 'bullmq-official 1.4.4', layout: 'bullmq', missing: officialMissing,
  drain: (url, queue, n, slots) => [officialBinary, 'drain', url, queue, `${n}`, `${slots}`],
  add: (url, queue, n, flight) => [officialBinary, 'add', url, queue, `${n}`, `${flight}`],
};

// Two batches of 100 in flight: the floor that the layout and the fencing set, not a worker.
const probe = {
  name: 'bare probe', layout: 'bull',
  drain: (url, queue) => [node, script('probe/driver.mjs'), url, queue],
};

const bullmqProbe = {
  name: 'bare probe, BullMQ', layout: 'bullmq',
  drain: (url, queue) => [node, script('probe/driver.mjs'), url, queue, '{"layout":"bullmq"}'],
};

// The same without the duties that every BullMQ worker has: how little the writes alone cost.
const bullmqBare = {
  name: 'bare probe, BullMQ, without duties', layout: 'bullmq',
  drain: (url, queue) => [node, script('probe/driver.mjs'), url, queue, '{"layout":"bullmq","duties":false}'],
};

const bullock = {
  name: 'bullock', layout: 'bull', missing: bullockMissing,
  drain: (url, queue, n, slots) => [bullockBinary, 'bench', 'drain', '--redis-url', url, '--queue', queue, '--dialect', 'bull', '-n', `${n}`, '-c', `${slots}`],
  add: (url, queue, n, flight) => [bullockBinary, 'bench', 'add', '--redis-url', url, '--queue', queue, '--dialect', 'bull', '-n', `${n}`, '-c', `${flight}`],
  worker(url, queue, slots, endpoint, directory) {
    const config = join(directory, 'bullock.toml');
    writeFileSync(config, `[redis]\nurl = "${url}"\n\n[admin]\nlisten = ""\n\n[queues.${queue}]\ndialect = "bull"\nconcurrency = ${slots}\n\n[queues.${queue}.handlers."*"]\nhttp = "${endpoint}"\n`);
    return [bullockBinary, 'run', '-c', config];
  },
};

const bullockBullmq = {
  name: 'bullock, BullMQ', layout: 'bullmq', missing: bullockMissing,
  drain: (url, queue, n, slots) => [bullockBinary, 'bench', 'drain', '--redis-url', url, '--queue', queue, '--dialect', 'bullmq', '-n', `${n}`, '-c', `${slots}`],
  add: (url, queue, n, flight) => [bullockBinary, 'bench', 'add', '--redis-url', url, '--queue', queue, '--dialect', 'bullmq', '-n', `${n}`, '-c', `${flight}`],
};

export const CONTENDERS = {
  drain: [bull, bullmq, official, probe, bullmqProbe, bullmqBare, bullock, bullockBullmq],
  'drain-prioritized': [bullmq, official, bullockBullmq],
  'drain-delayed': [bullmq, official, bullockBullmq],
  'drain-http': [bull, bullock],
  add: [bull, bullmq, official, bullock, bullockBullmq],
  latency: [bull, bullock],
};
