// Who stands in the table, and how a worker of each is started.
import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const bullockBinary = process.env.BULLOCK_BIN ?? resolve(here, '../../target/release/bullock');
const officialBinary = process.env.OFFICIAL_BIN ?? resolve(here, '../official/target/release/official');
const needs = (binary, how) => (existsSync(binary) ? null : `${binary} is not there: ${how}`);
const ofNode = (library) => ({ url, leaseMs, stalledMs, concurrency }) =>
  [process.execPath, join(here, 'node-worker.mjs'), library, url, `${concurrency}`, `${leaseMs}`, `${stalledMs}`];

function bullock(dialect) {
  return {
    layout: dialect,
    missing: () => needs(bullockBinary, 'run `cargo build --release`, or set BULLOCK_BIN'),
    binary: bullockBinary,
    worker({ url, name, leaseMs, concurrency, endpoint, file, write, port }) {
      const short = leaseMs < 1000 ? 'allow_short_leases = true\n' : '';
      const lease = leaseMs === 0 ? '' : `${short}lease = "${leaseMs}ms"\nrenew = "${Math.floor(leaseMs * 0.3)}ms"\nsweep = "${Math.floor(leaseMs / 4)}ms"\n`;
      write(file, `[redis]\nurl = "${url}"\n[admin]\nlisten = "127.0.0.1:${port}"\n[worker]\nname = "${name}"\n${lease}[log]\nformat = "json"\n` +
        `[queues.q]\ndialect = "${dialect}"\nconcurrency = ${concurrency}\n[queues.q.handlers."*"]\nhttp = "${endpoint}"\n`);
      return [bullockBinary, 'run', '-c', file];
    },
    logs(worker) {
      const read = (chunk) => {
        for (const line of chunk.toString().split('\n')) if (/"level":"(warn|error)"/.test(line)) worker.errors += 1;
      };
      worker.child.stdout.on('data', read);
      worker.child.stderr.on('data', read);
    },
    ready: async ({ port }) => (await fetch(`http://127.0.0.1:${port}/readyz`)).ok,
  };
}

export const CONTENDERS = {
  bull: { title: 'Bull 4.16.5', layout: 'bull', missing: () => null, worker: ofNode('bull') },
  bullmq: { title: 'BullMQ 6.7.0', layout: 'bullmq', missing: () => null, worker: ofNode('bullmq') },
  official: {
    title: 'bullmq-official 1.4.4', layout: 'bullmq', binary: officialBinary,
    missing: () => needs(officialBinary, 'run `cargo build --release --manifest-path benches/official/Cargo.toml`, or set OFFICIAL_BIN'),
    worker: ({ url, leaseMs, stalledMs, concurrency }) => [officialBinary, 'work', url, 'q', `${concurrency}`, `${leaseMs}`, `${stalledMs}`],
  },
  bullock: { title: 'Bullock, Bull queue', ...bullock('bull') },
  'bullock-bullmq': { title: 'Bullock, BullMQ queue', ...bullock('bullmq') },
};
