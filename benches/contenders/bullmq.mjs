// npm bullmq as a contender: node bullmq.mjs drain|add URL QUEUE N CONCURRENCY   → one JSON line when done.
import { Queue, Worker } from 'bullmq';
import Redis from 'ioredis';
import { jobData } from '../lib/fill.mjs';
import { measured } from './process.mjs';

const [op, url, name, n, concurrency] = process.argv.slice(2);
const connection = new Redis(url, { maxRetriesPerRequest: null });

async function drain() {
  const worker = new Worker(name, async () => null, { connection, concurrency: Number(concurrency), autorun: false });
  await worker.waitUntilReady();
  let left = Number(n);
  const done = new Promise((resolve, reject) => {
    worker.on('completed', () => { left -= 1; if (left === 0) resolve(); });
    worker.on('failed', (_job, error) => reject(error));
    worker.on('error', reject);
  });
  return () => { worker.run().catch(() => {}); return done; };
}

async function add() {
  const queue = new Queue(name, { connection });
  await queue.waitUntilReady();
  let next = 0;
  const lane = async () => { while (next < Number(n)) await queue.add('sync', jobData(next++)); };
  return () => Promise.all(Array.from({ length: Number(concurrency) }, lane));
}

console.log(JSON.stringify(await measured(op, Number(n), await { drain, add }[op]())));
process.exit(0); // closing politely would wait for the blocking pop
