// A worker of npm bull or npm bullmq under faults: node node-worker.mjs bull|bullmq URL CONCURRENCY LEASE_MS STALLED_MS
// Tells in JSON lines what its handler does. LEASE_MS 0 = the library's own defaults. A job sleeps `data.ms` and then tells
// progress, a log line and new data if `data.tells`.
import Bull from 'bull';
import { Worker } from 'bullmq';

const [library, url, concurrency, leaseMs, stalledMs] = process.argv.slice(2);
const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
const stalls = leaseMs === '0' ? {} : { lockDuration: Number(leaseMs), stalledInterval: Number(stalledMs), maxStalledCount: 1000 };

async function handle(job, tell) {
  say({ event: 'start', job: `${job.id}`, data: job.data ?? null });
  await new Promise((resolve) => { setTimeout(resolve, job.data?.ms ?? 0); });
  if (job.data?.tells) {
    // Each for itself: a refused one must not keep the others back.
    for (const write of tell) await write().catch(() => {});
  }
  say({ event: 'end', job: `${job.id}` });
  return `done-${job.id}`;
}

let worker;
if (library === 'bull') {
  worker = new Bull('q', url, { settings: stalls });
  worker.process('*', Number(concurrency), (job) => handle(job,
    [() => job.progress(process.pid), () => job.log(`line of ${process.pid}`), () => job.update({ by: process.pid })])).catch(() => {});
  await worker.isReady();
} else {
  const connection = { host: '127.0.0.1', port: Number(new URL(url).port), maxRetriesPerRequest: null };
  worker = new Worker('q', (job) => handle(job,
    [() => job.updateProgress(process.pid), () => job.log(`line of ${process.pid}`), () => job.updateData({ by: process.pid })]),
  { connection, concurrency: Number(concurrency), ...stalls });
  await worker.waitUntilReady();
}
worker.on('error', (error) => say({ event: 'error', text: error.message }));
worker.on('failed', (job, error) => say({ event: 'failed', job: `${job?.id}`, text: error.message }));
process.on('unhandledRejection', (error) => say({ event: 'error', text: `${error}` }));
say({ event: 'ready' });
