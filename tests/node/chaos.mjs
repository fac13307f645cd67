// A worker of npm bull or npm bullmq in the chaos run: node chaos.mjs bull|bullmq5|bullmq6 URL QUEUE LEASE_MS RECORD
// Tells the file RECORD when a job begins and ends; each line is one write to a file that is open for appending.
import { appendFileSync } from 'node:fs';
import { connectionOf } from './redis-url.mjs';

const [library, url, name, leaseMs, record] = process.argv.slice(2);
const concurrency = 8;
// Chaos is no reason to bury a job.
const stalls = { lockDuration: Number(leaseMs), stalledInterval: 1000, maxStalledCount: 1000 };
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const note = (line) => appendFileSync(record, `${JSON.stringify({ ...line, at: Date.now() })}\n`);
let runs = 0;

async function work(job, token, tell) {
  const run = `n${process.pid}-${(runs += 1)}`;
  const attempt = job.attemptsMade + 1;
  note({ event: 'start', run, job: job.id, attempt, token, by: 'node' });
  // A full memory refuses it, which is no reason to fail.
  await tell({ run }).catch(complain);
  await pause(job.data.ms);
  const fails = attempt <= job.data.fails;
  note({ event: 'end', run, as: fails ? 'failed' : 'done' });
  if (fails) throw new Error(`designed failure of attempt ${attempt}, run ${run}.`);
  return { run };
}

const complain = (error) => console.error(error.message);
process.on('unhandledRejection', complain);
if (library === 'bull') {
  const { default: Bull } = await import('bull');
  const queue = new Bull(name, { redis: connectionOf(url), settings: { ...stalls, guardInterval: 500 } });
  queue.on('error', complain);
  queue.process('*', concurrency, (job) => work(job, queue.token, (progress) => job.progress(progress)))
    .catch(complain);
} else {
  const { Worker } = await import(library);
  const connection = { ...connectionOf(url), maxRetriesPerRequest: null };
  const worker = new Worker(name, (job, token) => work(job, token, (progress) => job.updateProgress(progress)),
    { connection, concurrency, ...stalls });
  worker.on('error', complain);
}
