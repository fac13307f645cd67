// What is measured: one function an operation, each run of it on a fresh server.
import { fileURLToPath } from 'node:url';
import { fillBull, fillBullmq } from './fill.mjs';
import { processSeconds } from './noise.mjs';
import { measure, REDIS_CORE, runToEnd, start, stop, until, WORKER_CORE } from './measure.mjs';
import { spanSeconds, verifyAdded, verifyDrained, verifyPublished } from './verify.mjs';

const QUEUE = 'q';
const BASE = `bull:${QUEUE}:`;
const SLOTS = 100;
const IN_FLIGHT = 64;
const LATENCY_JOBS = 500;
const WARM_UP = 50;
const CLOCKS_MAY_DIFFER = 0.9; // a contender's own seconds against the span of its jobs' times
const producer = fileURLToPath(new URL('../contenders/producer.mjs', import.meta.url));
const endpointServer = fileURLToPath(new URL('../contenders/endpoint.mjs', import.meta.url));

/** Adds the jobs as their users do. Not a saved copy: a server that loaded one has yet to grow its heap, about 1 µs a job more. */
const filled = (contender, n) => (server) => (contender.layout === 'bullmq' ? fillBullmq : fillBull)(server.url, QUEUE, n);

/** A backlog: so many times the jobs of the other runs, each with a priority. */
const BACKLOG = 5;
const prioritized = (n) => (server) => fillBullmq(server.url, QUEUE, n, 'sync', (index) => ({ priority: 1 + (index % 10) }));

/** Jobs that all fall due within one second, before the worker starts. */
const allDue = (n) => async (server) => {
  const due = Date.now() + 2000 + n / 5;
  await fillBullmq(server.url, QUEUE, n, 'sync', (index) => { const timestamp = Date.now(); return { timestamp, delay: due + (index % 1000) - timestamp }; });
  if (Date.now() > due) throw new Error('filling took so long that some were due before it was over');
  await new Promise((resolve) => { setTimeout(resolve, due + 1000 - Date.now()); });
};

/** The pinned HTTP backend, on Redis' core: the worker's core is the worker's alone. */
async function withEndpoint(work) {
  const endpoint = start([process.execPath, endpointServer], REDIS_CORE);
  try {
    return await work({ url: `http://127.0.0.1:${await endpoint.firstLine}/job`, pid: endpoint.child.pid });
  } finally {
    await stop(endpoint);
  }
}

function drain(contender, { n, settleSeconds }, prepare = filled(contender, n)) {
  return measure({
    prepare, settleSeconds,
    work: async (server) => {
      const answer = await runToEnd(contender.drain(server.url, QUEUE, n, SLOTS), WORKER_CORE);
      return { ...answer, n };
    },
    async verify(server, commands, { s }) {
      await verifyDrained(server.client, BASE, n, null);
      if (contender.layout === 'bull') verifyPublished(commands, n);
      const span = await spanSeconds(server.client, BASE, n);
      if (s < span * CLOCKS_MAY_DIFFER) throw new Error(`says ${s} s, but its jobs' own times span ${span} s`);
    },
  });
}

/** A worker that would run for ever: started, awaited by what it did, stopped. Its last line, if it says one, carries its CPU. */
async function withWorker(contender, server, slots, endpoint, work) {
  const worker = start(contender.worker(server.url, QUEUE, slots, endpoint.url, server.dir), WORKER_CORE);
  const died = worker.ended.then((code) => { throw new Error(`${contender.name} ended with ${code}: ${worker.complaint()}`); });
  const before = processSeconds(endpoint.pid);
  const answer = await Promise.race([work(), died]);
  died.catch(() => {}); // from here on it ends because we say so
  await stop(worker);
  const said = worker.lines.at(-1)?.startsWith('{"op":"work"') ? JSON.parse(worker.lines.at(-1)) : {};
  return { ...answer, ...('client_us' in said && { client_us: said.client_us }), beside_s: processSeconds(endpoint.pid) - before };
}

/** The clock is the jobs' own, from the first claim to the last finish, so that nobody's start-up counts. */
function drainHttp(contender, { n, settleSeconds }) {
  return withEndpoint((endpoint) => measure({
    prepare: filled(contender, n), settleSeconds,
    work: (server) => withWorker(contender, server, SLOTS, endpoint, async () => {
      const ended = async () => (await server.client.zcard(`${BASE}completed`)) + (await server.client.zcard(`${BASE}failed`));
      await until(async () => (await ended()) >= n, `${contender.name} draining by HTTP`);
      return { n, s: await spanSeconds(server.client, BASE, n) };
    }),
    verify: (server) => verifyDrained(server.client, BASE, n, { ok: true }),
  }));
}

function add(contender, { n, settleSeconds }) {
  return measure({
    settleSeconds,
    work: async (server) => ({ ...await runToEnd(contender.add(server.url, QUEUE, n, IN_FLIGHT), WORKER_CORE), n }),
    verify: (server) => verifyAdded(server.client, BASE, n),
  });
}

/** npm bull adds one job and awaits it by event, then the next. */
function latency(contender, { n, settleSeconds }) {
  const jobs = Math.min(n, LATENCY_JOBS);
  return withEndpoint((endpoint) => measure({
    settleSeconds,
    work: (server) => withWorker(contender, server, 1, endpoint, async () => {
      const began = performance.now();
      const answer = await runToEnd([process.execPath, producer, server.url, QUEUE, `${jobs}`, `${WARM_UP}`], REDIS_CORE);
      return { ...answer, n: jobs, s: (performance.now() - began) / 1000 };
    }),
    verify: (server) => verifyDrained(server.client, BASE, jobs + WARM_UP, { ok: true }),
  }));
}

const backlog = (fill) => (contender, { n, settleSeconds }) => drain(contender, { n: n * BACKLOG, settleSeconds }, fill(n * BACKLOG));

export const OPERATIONS = {
  drain, 'drain-prioritized': backlog(prioritized), 'drain-delayed': backlog(allDue), 'drain-http': drainHttp, add, latency,
};
