// A redis-server of our own: a fresh process on a free loopback port, pinned to one core, gone with us.
// Owns: its process, its directory, reading its counters. Knows nothing of queues.
import { spawn } from 'node:child_process';
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Redis from 'ioredis';

const START_DEADLINE_MS = 10_000;
const living = new Set();
process.on('exit', () => living.forEach((server) => server.killNow()));
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(130));

/** A loopback port that was free a moment ago. */
export async function freePort() {
  const probe = createServer();
  await new Promise((resolve, reject) => probe.on('error', reject).listen(0, '127.0.0.1', resolve));
  const { port } = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  return port;
}

export class PrivateRedis {
  /** Starts a server on `core` (null: not pinned), with the data of `snapshot` (an RDB file) if given. */
  static async start({ core = 0, snapshot = null } = {}) {
    const server = new PrivateRedis();
    server.dir = mkdtempSync(join(tmpdir(), 'side-by-side-'));
    if (snapshot) copyFileSync(snapshot, join(server.dir, 'dump.rdb'));
    server.port = await freePort();
    server.url = `redis://127.0.0.1:${server.port}/0`;
    // No persistence while measuring: a fork in mid-run would be charged to whoever happens to run then.
    server.argv = ['redis-server', '--port', `${server.port}`, '--bind', '127.0.0.1', '--dir', server.dir,
      '--save', '', '--appendonly', 'no', '--maxmemory-policy', 'noeviction', '--loglevel', 'warning'];
    if (core !== null) server.argv.unshift('taskset', '-c', `${core}`);
    server.#run();
    living.add(server);
    server.client = new Redis(server.url, { retryStrategy: () => 20, maxRetriesPerRequest: null });
    server.client.on('error', () => {}); // refused until it listens; a real failure meets the deadline below
    await server.#answering();
    return server;
  }

  #run(more = []) {
    this.child = spawn(this.argv[0], [...this.argv.slice(1), ...more], { stdio: ['ignore', 'ignore', 'inherit'] });
    this.gone = new Promise((resolve) => this.child.on('exit', resolve));
  }

  /** Kills the server and starts it again after so many ms, with what its append-only file kept. */
  async crashFor(ms) {
    this.child.kill('SIGKILL');
    await this.gone;
    await new Promise((resolve) => setTimeout(resolve, ms));
    this.#run(['--appendonly', 'yes']);
    await this.#answering();
  }

  async #answering() {
    const deadline = Date.now() + START_DEADLINE_MS;
    for (;;) {
      if (this.child.exitCode !== null) throw new Error(`redis-server ended with ${this.child.exitCode} while starting`);
      const answer = await this.client.ping().catch((error) => error.message); // LOADING is an error reply
      if (answer === 'PONG') return;
      if (Date.now() > deadline) throw new Error(`redis-server did not answer within ${START_DEADLINE_MS} ms: ${answer}`);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  /** CPU of the whole server process so far, µs. The kernel's account as /proc/PID/stat has it, but in µs, not in 10 ms ticks. */
  async cpuMicros() {
    const info = await this.client.info('cpu');
    const seconds = ['used_cpu_user', 'used_cpu_sys'].map((name) => Number(info.match(new RegExp(`^${name}:(.*)`, 'm'))[1]));
    return (seconds[0] + seconds[1]) * 1e6;
  }

  async resetCounters() {
    await this.client.config('RESETSTAT');
  }

  /** Commands since the reset: {name: {calls, usec}}, without the ones that measuring itself sends. */
  async commands() {
    const own = new Set(['info', 'config|resetstat', 'ping']);
    const stats = {};
    for (const line of (await this.client.info('commandstats')).matchAll(/^cmdstat_([^:]+):calls=(\d+),usec=(\d+)/gm)) {
      if (!own.has(line[1])) stats[line[1]] = { calls: Number(line[2]), usec: Number(line[3]) };
    }
    return stats;
  }

  /** Writes the data to dump.rdb in the server's directory; the path is good until stop(). */
  async snapshot() {
    await this.client.save();
    return join(this.dir, 'dump.rdb');
  }

  killNow() {
    this.child.kill('SIGKILL');
    rmSync(this.dir, { recursive: true, force: true });
    living.delete(this);
  }

  async stop() {
    this.client.disconnect();
    this.killNow();
    await this.gone;
  }
}
