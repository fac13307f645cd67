// The producer of the latency run, npm bull: adds one job at a time and awaits it by event.
//   node producer.mjs URL QUEUE N WARM_UP   → {"op":"latency","n":…,"p50_ms":…,"p95_ms":…}
import Queue from 'bull';
import { jobData } from '../lib/fill.mjs';

const [url, name, n, warmUp] = process.argv.slice(2);
const queue = new Queue(name, url);
await queue.isReady();
const took = [];
for (let index = 0; index < Number(n) + Number(warmUp); index += 1) {
  const began = performance.now();
  const job = await queue.add('sync', jobData(index));
  const answer = await job.finished();
  if (index >= Number(warmUp)) took.push(performance.now() - began);
  if (answer?.ok !== true) throw new Error(`job ${job.id} finished with ${JSON.stringify(answer)}`);
}
took.sort((a, b) => a - b);
const quantile = (q) => took[Math.min(took.length - 1, Math.floor(q * took.length))];
console.log(JSON.stringify({ op: 'latency', n: took.length, p50_ms: quantile(0.5), p95_ms: quantile(0.95) }));
process.exit(0);
