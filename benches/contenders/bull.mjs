// npm bull as a contender: node bull.mjs drain|add|work URL QUEUE N CONCURRENCY [HTTP_URL]   → one JSON line when done.
// `work` handles jobs until SIGTERM. With HTTP_URL the handler posts the job's data there and returns the answer.
import Queue from 'bull';
import { jobData } from '../lib/fill.mjs';
import { httpHandler, measured, untilSigterm } from './process.mjs';

const [op, url, name, n, concurrency, httpUrl] = process.argv.slice(2);
const queue = new Queue(name, url);
await queue.isReady();
const handler = httpUrl ? httpHandler(httpUrl, Number(concurrency)) : async () => null;

const operations = {
  async drain() {
    let left = Number(n);
    const done = new Promise((resolve, reject) => {
      queue.on('completed', () => { left -= 1; if (left === 0) resolve(); });
      queue.on('failed', (_job, error) => reject(error));
      queue.on('error', reject);
    });
    queue.process('*', Number(concurrency), handler).catch(() => {});
    await done;
  },
  async add() {
    let next = 0;
    const lane = async () => { while (next < Number(n)) await queue.add('sync', jobData(next++)); };
    await Promise.all(Array.from({ length: Number(concurrency) }, lane));
  },
  async work() {
    queue.process('*', Number(concurrency), handler).catch(() => {});
    await untilSigterm();
  },
};

console.log(JSON.stringify(await measured(op, Number(n), operations[op])));
process.exit(0); // closing politely would wait for the blocking pop
