// One scene: a fresh redis-server, workers of one contender on queue "q", and a log of what their handlers do.
// Knows no fault: rows do those.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import Bull from 'bull';
import { Queue } from 'bullmq';
import Redis from 'ioredis';
import { PrivateRedis, freePort } from '../lib/private-redis.mjs';
import { Proxy } from './proxy.mjs';

export const pause = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });
const living = new Set();
process.on('exit', () => living.forEach((child) => child.kill('SIGKILL')));

/** One worker process. `lines` are what its handler told, with the time at which it was told. */
class Worker {
  constructor(child, stage) {
    Object.assign(this, { child, errors: 0, falseFailures: [] });
    living.add(child);
    this.gone = new Promise((resolve) => child.on('exit', () => { living.delete(child); resolve(); }));
    this.ready = new Promise((resolve) => { this.isReady = resolve; });
    createInterface(child.stdout).on('line', (line) => {
      let event;
      try { event = JSON.parse(line); } catch { return; }
      if (event.event === 'ready') this.isReady();
      else if (event.event === 'error') this.errors += 1;
      else if (event.event === 'failed') this.falseFailures.push(event);
      else if (event.event) stage.note({ ...event, worker: this });
    });
    this.complaint = '';
    child.stderr.on('data', (chunk) => { this.complaint = (this.complaint + chunk).slice(-4000); });
  }

  signal(name) { this.child.kill(name); }

  async kill() {
    this.child.kill('SIGCONT');
    this.child.kill('SIGKILL');
    await this.gone;
  }
}

export class Stage {
  /** `durable`: Redis keeps its data over a crash. */
  static async set(contender, { durable = false } = {}) {
    const stage = new Stage();
    Object.assign(stage, { contender, began: performance.now(), log: [], waiting: new Set(), workers: [] });
    stage.directory = mkdtempSync(join(tmpdir(), 'faults-'));
    stage.redis = await PrivateRedis.start({ core: null });
    if (durable) await stage.redis.client.config('SET', 'appendonly', 'yes');
    stage.db = new Redis(stage.redis.url, { maxRetriesPerRequest: null, retryStrategy: () => 20 });
    stage.db.on('error', () => {});
    stage.proxy = await Proxy.to(stage.redis.port);
    stage.backend = await stage.#serve();
    return stage;
  }

  /** Starts a worker. `leaseMs` 0 = its own defaults; `url`, if not straight to Redis; `clock`, such as "+3600s". */
  async work({ leaseMs = 2000, stalledMs = 1000, concurrency = 10, url = this.redis.url, clock = null } = {}) {
    const port = await freePort();
    const name = `w${this.workers.length}`;
    const argv = this.contender.worker({ port, url, name, leaseMs, stalledMs, concurrency, endpoint: this.backend.url,
      file: join(this.directory, `${name}.toml`), write: writeFileSync });
    const faked = clock === null ? argv : ['faketime', '-f', clock, ...argv];
    const child = spawn(faked[0], faked.slice(1), { stdio: ['ignore', 'pipe', 'pipe'] });
    const worker = Object.assign(new Worker(child, this), { name });
    this.workers.push(worker);
    if (this.contender.logs) this.contender.logs(worker);
    if (this.contender.ready) this.until(() => this.contender.ready({ port }).catch(() => false), 30_000).then(worker.isReady);
    await Promise.race([worker.ready, worker.gone.then(() => { throw new Error(`a worker ended early: ${worker.complaint}`); })]);
    return worker;
  }

  /** Adds a job with npm bull or npm bullmq. */
  async add(data, options = {}) {
    const queue = this.producer();
    return `${(await queue.add('x', data, options)).id}`;
  }

  /** The same by a new producer. */
  async addAnew(data) {
    delete this[`producer ${this.redis.url}`];
    return this.add(data);
  }

  producer(url = this.redis.url) {
    const key = `producer ${url}`;
    const port = Number(new URL(url).port);
    const connection = { host: '127.0.0.1', port, maxRetriesPerRequest: null };
    if (!this[key]) {
      this[key] = this.contender.layout === 'bull' ? new Bull('q', url) : new Queue('q', { connection });
      this[key].on('error', () => {});
    }
    return this[key];
  }

  note(event) {
    this.log.push({ ...event, at: performance.now() });
    for (const look of this.waiting) look();
  }

  /** Starts (`start`) or ends (`end`) of a job's handler so far. */
  events(event, job) {
    return this.log.filter((one) => one.event === event && (job === undefined || one.job === job));
  }

  /** The worker whose handler told it, or whose token the backend was told. */
  workerOf({ worker, token }) {
    return worker ?? this.workers.find(({ name }) => token.startsWith(`${name}:`));
  }

  /** Waits until `find(log)` gives something; null after `limitMs`. */
  async until(find, limitMs) {
    const deadline = performance.now() + limitMs;
    while (performance.now() < deadline) {
      const found = await find();
      if (found) return found;
      await pause(10);
    }
    return null;
  }

  started(job, times = 1, limitMs = 20_000) {
    return this.until(() => this.events('start', job)[times - 1], limitMs);
  }

  /** Which lists and sets name the job. */
  async states(id) {
    const lists = ['wait', 'paused', 'active'];
    const sets = ['delayed', 'prioritized', 'completed', 'failed', 'waiting-children'];
    const found = [];
    for (const name of lists) if ((await this.db.lrange(`bull:q:${name}`, 0, -1)).includes(id)) found.push(name);
    for (const name of sets) if (await this.db.zscore(`bull:q:${name}`, id).catch(() => null) !== null) found.push(name);
    return found;
  }

  // The backend of workers that make HTTP calls; it tells what happens as the others' handlers do.
  async #serve() {
    const server = createServer((request, response) => this.#answer(request, response));
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    return { url: `http://127.0.0.1:${server.address().port}/`, server };
  }

  async #answer(request, response) {
    let body = '';
    for await (const chunk of request) body += chunk;
    const job = decodeURIComponent(request.headers['job-id']);
    let data = null;
    try { data = JSON.parse(body); } catch { /* told as garbage by the row that counts it */ }
    const run = this.events('start').length + 1;
    this.note({ event: 'start', job, data, token: request.headers['job-token'] });
    response.on('error', () => {});
    if (data?.tells) {
      response.setHeader('content-type', 'application/x-ndjson');
      response.write('\n');
    }
    await pause(data?.ms ?? 0);
    this.note({ event: 'end', job });
    if (data?.tells) {
      for (const line of [{ progress: run }, { log: `line of ${run}` }, { checkpoint: { run } }]) response.write(`${JSON.stringify(line)}\n`);
      response.end(`${JSON.stringify({ result: `done-${job}` })}\n`);
    } else {
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify(`done-${job}`));
    }
  }

  async strike() {
    await Promise.all(this.workers.map((worker) => worker.kill()));
    for (const [key, queue] of Object.entries(this)) {
      if (key.startsWith('producer ')) Promise.resolve(queue.close()).catch(() => {});
    }
    this.db.disconnect();
    this.proxy.close();
    this.backend.server.closeAllConnections();
    this.backend.server.close();
    await this.redis.stop();
    rmSync(this.directory, { recursive: true, force: true });
  }
}
