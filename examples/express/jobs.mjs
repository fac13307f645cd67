// The demo's jobs: how each is added, and how npm bull's own getters must see its end.
import assert from 'node:assert/strict';
import Bull from 'bull';
import { pause } from './processes.mjs';

const DELAY_MS = 1500;
const EVERY_MS = 2000;
const END_LIMIT_MS = 30_000;
// Bull puts a delayed job back when Redis' clock and ours differ; this much is rounding, not earliness.
const ROUNDING_MS = 5;

/** Fails when something takes so long that it will not come any more. */
async function within(limitMs, what, promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited ${limitMs / 1000} s for ${what}`)), limitMs);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

async function until(what, check) {
  const deadline = Date.now() + END_LIMIT_MS;
  for (;;) {
    const found = await check();
    if (found) return found;
    if (Date.now() > deadline) throw new Error(`waited ${END_LIMIT_MS / 1000} s for ${what}`);
    await pause(50);
  }
}

/** Awaits the job as a producer does, and reads it anew from Redis. */
async function result(job) {
  const value = await within(END_LIMIT_MS, `job.finished() of ${job.queue.name}/${job.id}`, job.finished());
  const stored = await job.queue.getJob(job.id);
  assert.equal(await stored.getState(), 'completed', 'getState()');
  assert.deepEqual(stored.returnvalue, value, 'returnvalue is what finished() gave');
  return stored;
}

export function openQueues(redisUrl) {
  const queues = {};
  for (const name of ['mail', 'invoices', 'shop:sync', 'shop-sync', 'reports']) {
    queues[name] = new Bull(name, redisUrl);
    queues[name].on('error', () => {}); // a lost connection shows in what is awaited
  }
  return queues;
}

/** Each demo: what it is, and a function that adds, awaits and judges; it gives the words for the outcome. */
export const demos = [
  ['a plain job', async ({ mail }) => {
    const job = await result(await mail.add('welcome', { to: 'ada@example.com' }));
    assert.deepEqual(job.returnvalue, { sent: true, to: 'ada@example.com' });
    assert.equal(job.attemptsMade, 0, 'attemptsMade');
    return `completed, returned ${JSON.stringify(job.returnvalue)}`;
  }],

  [`a job delayed by ${DELAY_MS} ms`, async ({ mail }) => {
    const job = await result(await mail.add('welcome', { to: 'bob@example.com' }, { delay: DELAY_MS }));
    const waited = job.processedOn - job.timestamp;
    assert.ok(waited >= DELAY_MS - ROUNDING_MS, `started after ${waited} ms, which is early`);
    return `completed, started ${waited - DELAY_MS} ms after it was due`;
  }],

  ['a job with priority', async ({ invoices }) => {
    // The queue rests while both are added, and then does one job at a time.
    await invoices.pause();
    const last = await invoices.add('invoice', { number: 1 }, { priority: 10 });
    const first = await invoices.add('invoice', { number: 2 }, { priority: 1 });
    await invoices.resume();
    const [urgent, other] = [await result(first), await result(last)];
    assert.ok(urgent.finishedOn <= other.processedOn, 'priority 1 must be done before priority 10 starts');
    return 'completed, before the one added earlier with less priority';
  }],

  ['fails twice, then works', async ({ mail }) => {
    const backoff = { type: 'fixed', delay: 200 };
    const job = await result(await mail.add('flaky', {}, { attempts: 3, backoff }));
    assert.deepEqual(job.returnvalue, { attempt: 3 });
    assert.equal(job.attemptsMade, 2, 'attemptsMade');
    assert.equal(job.stacktrace.length, 2, 'one stack trace for each failure');
    return 'completed at the third attempt';
  }],

  ['always fails', async ({ invoices }) => {
    const job = await invoices.add('charge', {}, { attempts: 2, backoff: { type: 'exponential', delay: 100 } });
    await assert.rejects(within(END_LIMIT_MS, 'job.finished()', job.finished()), { message: 'card declined' });
    const stored = await invoices.getJob(job.id);
    assert.equal(await stored.getState(), 'failed', 'getState()');
    assert.equal(stored.failedReason, 'card declined');
    assert.equal(stored.attemptsMade, 2, 'attemptsMade');
    const dead = await invoices.getFailed();
    assert.ok(dead.some(({ id }) => id === job.id), 'getFailed() must list it');
    return `dead-lettered after ${stored.attemptsMade} attempts: ${stored.failedReason}`;
  }],

  ['a long job with progress', async (queues) => {
    const queue = queues['shop:sync'];
    const heard = [];
    await queue.isReady();
    queue.on('global:progress', (id, progress) => heard.push({ id, progress }));
    const added = await queue.add('sync', { store: 'acme', items: 500 });
    const job = await result(added);
    assert.deepEqual(job.returnvalue, { synced: 500, failed: 0 });
    const own = heard.filter(({ id }) => id === added.id).map(({ progress }) => progress.processed);
    assert.ok(own.length >= 3, `${own.length} progress events were heard, at least 3 are wanted`);
    assert.deepEqual(own, own.toSorted((a, b) => a - b), 'progress must not go back');
    assert.equal(job.progress().processed, 500, 'the last progress is stored');
    const { logs } = await queue.getJobLogs(job.id);
    assert.ok(logs.some((line) => line.includes('syncing 500 items')), 'the log line is stored');
    return `completed, ${own.length} progress events up to ${own.at(-1)}/500`;
  }],

  ['a sync of 797 customers', async (queues) => {
    const queue = queues['shop-sync'];
    // Starting it once more while it runs starts nothing: the id is what it is known by.
    const options = { jobId: 'customers-acme', attempts: 100, backoff: 5000 };
    await queue.add('sync-customers', { shop: 'acme' }, options);
    const job = await result(await queue.add('sync-customers', { shop: 'acme' }, options));
    const { state, successful, failed } = job.returnvalue;
    assert.deepEqual({ state, successful, failed }, { state: 'partial', successful: 792, failed: 5 });
    return `${state}: ${successful} good and ${failed} failed`;
  }],

  ['a job done by a program', async ({ reports }) => {
    const job = await result(await reports.add('sales', { rows: 12 }));
    assert.deepEqual(job.returnvalue, { rows: 12, bytes: 960 });
    assert.equal(job.progress(), 100, 'the last progress is stored');
    return `completed, returned ${JSON.stringify(job.returnvalue)}`;
  }],

  [`repeated every ${EVERY_MS / 1000} s`, async ({ mail }) => {
    await mail.add('digest', {}, { repeat: { every: EVERY_MS } });
    const done = await until('two occurrences', async () => {
      const completed = await mail.getCompleted();
      const own = completed.filter(({ name, id }) => name === 'digest' && String(id).startsWith('repeat:'));
      return own.length >= 2 && own;
    });
    const due = done.map(({ opts, timestamp, delay }) => opts.prevMillis ?? timestamp + delay).sort((a, b) => a - b);
    assert.equal((due[1] - due[0]) % EVERY_MS, 0, `due ${due[1] - due[0]} ms apart`);
    const [schedule] = await mail.getRepeatableJobs();
    assert.equal(schedule.name, 'digest');
    assert.equal(Number(schedule.every), EVERY_MS);
    assert.ok(schedule.next > due[1], 'the next occurrence is planned');
    return `${done.length} occurrences completed, the next is planned`;
  }],
];

/** A sync that goes on for minutes, to be looked at. */
export async function startLongSync(queues) {
  await queues['shop-sync'].add('sync-products', { shop: 'acme' }, { jobId: 'products-acme', attempts: 100, backoff: 5000 });
}
