// From a commit of npm bull or npm bullmq to 500 readers of server-sent events, all on this machine's one clock.
import { get } from 'node:http';
import Queue from 'bull';
import { Queue as MqQueue } from 'bullmq';
import { settle } from '../lib/noise.mjs';
import { PrivateRedis } from '../lib/private-redis.mjs';
import { bullockBoard, memory, percentiles, sleep } from './programs.mjs';

const QUEUE = 'woo-customers';
/** Time for the last events to arrive. */
const DRAIN_MS = 3000;

/** Reads a stream and calls `heard(job id)` for each event of `type`. Answers what closes it. */
const reader = (url, type, heard) => new Promise((resolve, reject) => {
  const request = get(`${url}/api/v1/events?type=job.*&type=resync`, (answer) => {
    if (answer.statusCode !== 200) reject(new Error(`a stream was answered with ${answer.statusCode}`));
    let rest = '';
    answer.setEncoding('utf8').on('data', (chunk) => {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop();
      for (const line of lines) {
        if (line.includes(type)) heard(line.match(/"jobId":"([^"]+)"/)[1]);
        else if (line.includes('"type":"resync"') && !line.includes('unknown-seq')) heard(null);
      }
    }).on('error', () => undefined);
    resolve(() => request.destroy());
  }).on('error', reject);
});

const STUCK = 50;
const FLOOD = 30_000;

/** What readers that take nothing cost the server while very much happens, and whether one of them that wakes up is told of its gap. */
async function stuck(board, addMany) {
  const open = () => new Promise((resolve, reject) => {
    const request = get(`${board.url}/api/v1/events?type=job.*&type=resync`, (answer) => { answer.pause(); resolve({ request, answer }); }).on('error', reject);
  });
  const all = await Promise.all(Array.from({ length: STUCK }, open));
  await sleep(DRAIN_MS);
  const before = memory(board.pid);
  for (let done = 0; done < FLOOD; done += 1000) await addMany(1000, 'n'.repeat(500));
  await sleep(DRAIN_MS);
  const [{ answer }] = all;
  let told = false;
  answer.setEncoding('utf8').on('data', (chunk) => { told ||= chunk.includes('"type":"resync"'); }).on('error', () => undefined).resume();
  for (let look = 0; look < 100 && !told; look += 1) await sleep(50);
  for (const { request } of all) request.destroy();
  return { memory_mib: memory(board.pid).most - before.most, told };
}

export async function streams({ dialect, readers, rate, seconds, settleSeconds }) {
  const server = await PrivateRedis.start({ core: null });
  const queue = dialect === 'bull' ? new Queue(QUEUE, server.url) : new MqQueue(QUEUE, { connection: { port: server.port } });
  const add = (n) => queue.add('sync', { n });
  const first = await add(-1);
  const board = await bullockBoard(server.url);
  const [sentAt, late] = [new Map(), []];
  let [heard, gaps] = [0, 0];
  // What Bull tells of a new job is that it waits.
  const type = dialect === 'bull' ? '"type":"job.waiting"' : '"type":"job.added"';
  const onEvent = (id) => {
    if (id === null) { gaps += 1; return; }
    if (id === first.id) return;
    heard += 1;
    late.push([id, Date.now()]);
  };
  const closing = await Promise.all(Array.from({ length: readers }, () => reader(board.url, type, onEvent)));
  await sleep(DRAIN_MS);
  await settle(settleSeconds);
  const before = memory(board.pid);
  const n = rate * seconds;
  const began = performance.now();
  for (let at = 0; at < n; at += 1) {
    const wait = began + at * (1000 / rate) - performance.now();
    if (wait > 0) await sleep(wait);
    // Before the commit, so that the figure is rather too large.
    const before = Date.now();
    void add(at).then((job) => sentAt.set(`${job.id}`, before));
  }
  const deadline = Date.now() + DRAIN_MS + 10_000;
  while (heard < n * readers && Date.now() < deadline) await sleep(50);
  const after = memory(board.pid);
  for (const close of closing) close();
  const left = await stuck(board, (many, name) => queue.addBulk(Array.from({ length: many }, () => ({ name, data: {} }))));
  console.log(`${dialect}: ${STUCK} readers that take nothing, ${FLOOD} jobs: the server's memory grew by ${left.memory_mib.toFixed(1)} MiB; `
    + `one that goes on is ${left.told ? '' : 'NOT '}told of its gap`);
  await queue.close();
  await board.stop();
  await server.stop();
  const delays = percentiles(late.map(([id, at]) => at - sentAt.get(id)));
  console.log(`${dialect}: ${rate} jobs a second for ${seconds} s, ${readers} readers, ${heard} of ${n * readers} events heard, ${gaps} gaps: `
    + `p50 ${delays.p50} ms, p95 ${delays.p95} ms, p99 ${delays.p99} ms, max ${delays.max} ms`);
  if (heard < n * readers && gaps === 0) throw new Error('events were lost and nobody was told');
  return { what: `streams, ${dialect}`, readers, rate, ...delays, heard, gaps, memory_before_mib: before.now, memory_grew_mib: after.most - before.now, stuck_memory_mib: left.memory_mib, stuck_told: left.told };
}
