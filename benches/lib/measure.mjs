// One run of one contender: a fresh server, the worker pinned beside it, the figures, the check. Knows no contender by name.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { busySeconds, cores, endedChildrenSeconds, settle } from './noise.mjs';
import { PrivateRedis } from './private-redis.mjs';

export const REDIS_CORE = 0;
export const WORKER_CORE = 1;
const RUN_LIMIT_MS = 120_000;
const STOP_LIMIT_MS = 10_000;
const POLL_MS = 20;

const running = new Set();
process.on('exit', () => running.forEach((child) => child.kill('SIGKILL')));

/** Starts `argv` pinned to `core`. `lines` are its stdout, `ended` its exit code. */
export function start(argv, core) {
  const child = spawn('taskset', ['-c', `${core}`, ...argv], { stdio: ['ignore', 'pipe', 'pipe'] });
  running.add(child);
  const lines = [];
  let complaint = '';
  child.stderr.on('data', (chunk) => { complaint = (complaint + chunk).slice(-2000); });
  const reader = createInterface(child.stdout).on('line', (line) => lines.push(line));
  const firstLine = new Promise((resolve) => reader.once('line', resolve));
  const ended = new Promise((resolve) => child.on('close', (code, signal) => { running.delete(child); resolve(code ?? signal); }));
  return { child, lines, firstLine, ended, complaint: () => complaint };
}

const timeLimit = (ms, what) => new Promise((_, reject) => { setTimeout(() => reject(new Error(`${what} did not end within ${ms / 1000} s`)), ms).unref(); });

/** Runs a contender that ends by itself and answers its last line of JSON. */
export async function runToEnd(argv, core) {
  const contender = start(argv, core);
  const code = await Promise.race([contender.ended, timeLimit(RUN_LIMIT_MS, argv.join(' '))]);
  if (code !== 0) throw new Error(`${argv.join(' ')} ended with ${code}: ${contender.complaint()}`);
  return JSON.parse(contender.lines.at(-1));
}

/** Asks a worker to stop, as its operator would, and insists after a while. */
export async function stop(contender) {
  contender.child.kill('SIGTERM');
  const insisting = setTimeout(() => contender.child.kill('SIGKILL'), STOP_LIMIT_MS);
  await contender.ended;
  clearTimeout(insisting);
}

export async function until(condition, what) {
  const deadline = performance.now() + RUN_LIMIT_MS;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`${what}: not within ${RUN_LIMIT_MS / 1000} s`);
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

/**
 * A fresh server, `prepare(server)` uncounted, `work(server)` → {n, s, client_us?, …}, then `verify(server, commands, answer)`.
 * Figures per job: redis_us is the CPU of the whole server process, redis_command_us what its commands report of themselves.
 */
export async function measure({ prepare, work, verify, settleSeconds }) {
  const server = await PrivateRedis.start({ core: REDIS_CORE });
  try {
    await prepare?.(server);
    await settle(settleSeconds);
    await server.resetCounters();
    const [redisBefore, childrenBefore, busyBefore, ownBefore, began] = [await server.cpuMicros(), endedChildrenSeconds(), busySeconds(), process.cpuUsage(), performance.now()];
    const answer = await work(server);
    const wall = (performance.now() - began) / 1000;
    const redis = (await server.cpuMicros()) - redisBefore;
    const children = endedChildrenSeconds() - childrenBefore;
    const own = process.cpuUsage(ownBefore);
    const others = busySeconds() - busyBefore - redis / 1e6 - children - (own.user + own.system) / 1e6 - (answer.beside_s ?? 0);
    const commands = await server.commands();
    await verify(server, commands, answer);
    const { n, s } = answer;
    const sum = (figure, counts) => Object.entries(commands).filter(([name]) => counts(name)).reduce((total, [, stat]) => total + stat[figure], 0);
    return {
      n,
      jobs_per_s: n / s,
      redis_us: redis / n,
      redis_command_us: sum('usec', (name) => !name.startsWith('eval')) / n,
      // Ended children include the producer of the latency run: no figure is better than a wrong one.
      client_us: (answer.client_us ?? ('p50_ms' in answer ? NaN : children * 1e6)) / n,
      commands: sum('calls', () => true) / n,
      others: Math.max(0, others / wall / cores()),
      ...('beside_s' in answer ? { backend_us: answer.beside_s * 1e6 / n } : {}),
      ...('p50_ms' in answer ? { p50_ms: answer.p50_ms, p95_ms: answer.p95_ms } : {}),
    };
  } finally {
    await server.stop();
  }
}
