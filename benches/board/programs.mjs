// What a dashboard's bench starts: `bullock board`, bull-board, a real Chromium. All of them end with us.
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { freePort } from '../lib/private-redis.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '../..');
const BINARY = process.env.BULLOCK_BIN ?? join(root, 'target/release/bullock');
const BROWSERS = [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome-stable'];
const START_DEADLINE_MS = 60_000;

const living = new Set();
process.on('exit', () => living.forEach((child) => child.kill('SIGKILL')));

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

function started(command, args, stdio) {
  const child = spawn(command, args, { stdio });
  living.add(child);
  const ended = new Promise((resolve) => child.on('exit', resolve));
  const stop = async () => { child.kill('SIGTERM'); await ended; living.delete(child); };
  return { child, pid: child.pid, stop };
}

/** `bullock board` on a Redis, answering requests. */
export async function bullockBoard(redisUrl) {
  if (!existsSync(BINARY)) throw new Error(`${BINARY} is not there. Run: cargo build --release`);
  const port = await freePort();
  const board = started(BINARY, ['board', '-r', redisUrl, '--port', `${port}`], ['ignore', 'ignore', 'ignore']);
  const url = `http://127.0.0.1:${port}`;
  for (const deadline = Date.now() + START_DEADLINE_MS; ; await sleep(20)) {
    if (await fetch(`${url}/livez`).then((answer) => answer.ok, () => false)) return { ...board, url };
    if (Date.now() > deadline || board.child.exitCode !== null) throw new Error('bullock board did not start');
  }
}

/** bull-board on queues of Bull. */
export async function bullBoard(redisUrl, queues) {
  const board = started('node', [join(root, 'tests/node/bull-board.mjs'), redisUrl, ...queues], ['pipe', 'pipe', 'inherit']);
  const line = await new Promise((resolve) => createInterface({ input: board.child.stdout }).once('line', resolve));
  return { ...board, url: JSON.parse(line).listening };
}

/** A page in a real browser, with `at` to be seen. Answers what closes it. */
export async function openPage(url, at) {
  const { chromium } = createRequire(join(root, 'tests/dashboard/node/package.json'))('playwright-core');
  const browser = await chromium.launch({ executablePath: BROWSERS.find((place) => place && existsSync(place)), args: ['--no-sandbox'] });
  const page = await browser.newPage();
  await page.goto(url);
  await page.locator(at).first().waitFor();
  return () => browser.close();
}

/** Resident memory of a process, MiB: now, and at its highest so far. */
export function memory(pid) {
  const status = readFileSync(`/proc/${pid}/status`, 'latin1');
  const mib = (name) => Number(status.match(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm'))[1]) / 1024;
  return { now: mib('VmRSS'), most: mib('VmHWM') };
}

/** {p50, p95, p99, max} of some figures. */
export function percentiles(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (part) => sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * part) - 1)];
  return { p50: at(0.5), p95: at(0.95), p99: at(0.99), max: sorted.at(-1) };
}

export const shown = ({ p50, p95, p99, max }) => [p50, p95, p99, max].map((value) => value.toFixed(1).padStart(8)).join('');
