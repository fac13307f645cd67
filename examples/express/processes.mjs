// The processes of the demo: each is started on a free port, awaited, and ended by its pid.
import { spawn } from 'node:child_process';
import { createWriteStream, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';

const directory = mkdtempSync(path.join(tmpdir(), 'bullock-demo-'));
const running = [];
const READY_LIMIT_MS = 30_000;
const STOP_LIMIT_MS = 40_000; // longer than Bullock's own shutdown_grace

export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

export async function freePort() {
  const server = createServer();
  await new Promise((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** A file of the demo, gone at its end. */
export const fileOf = (name) => path.join(directory, name);

/** Where the output of a process is kept. */
export const logOf = (name) => fileOf(`${name}.log`);

/** Starts a process. It leads its own group, so that Ctrl-C reaches the demo alone, which then ends all in order. */
export function start(name, command, args, env = {}, cwd = directory) {
  const log = createWriteStream(logOf(name));
  const child = spawn(command, args, { cwd, env: { ...process.env, ...env }, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  child.stdout.pipe(log, { end: false });
  child.stderr.pipe(log, { end: false });
  const one = { name, child, stdout: '', ended: null };
  child.stdout.on('data', (chunk) => { one.stdout += chunk; });
  one.end = new Promise((resolve) => {
    child.once('error', (error) => resolve(one.ended = error.code === 'ENOENT' ? `there is no ${command}` : error.message));
    child.once('close', (code, signal) => { log.end(); resolve(one.ended ??= `ended with ${signal ?? `exit code ${code}`}`); });
  });
  running.push(one);
  return one;
}

/** Waits until `check` gives something, or fails with the last lines of the process. */
export async function ready(one, check) {
  const deadline = Date.now() + READY_LIMIT_MS;
  for (;;) {
    const found = await check();
    if (found) return found;
    if (one.ended || Date.now() > deadline) {
      throw new Error(`${one.name} ${one.ended ?? `was not ready in ${READY_LIMIT_MS / 1000} s`}\n${lastLines(one.name)}`);
    }
    await pause(5);
  }
}

export function lastLines(name) {
  try {
    return readFileSync(logOf(name), 'utf8').split('\n').slice(-20).map((line) => `    ${name} | ${line}`).join('\n');
  } catch {
    return '';
  }
}

/** Whether a redis-server answers on the port. */
export function answersPing(port) {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.write('PING\r\n'));
    const say = (answer) => { socket.destroy(); resolve(answer); };
    socket.once('data', (chunk) => say(chunk.toString().startsWith('+PONG')));
    socket.once('error', () => say(false));
  });
}

export async function answersOk(url) {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(2000) });
    await response.arrayBuffer();
    return response.status === 200;
  } catch {
    return false;
  }
}

/** Ends one process: SIGTERM, and SIGKILL when that takes too long. */
export async function stop(one) {
  if (one.ended) return;
  one.child.kill('SIGTERM');
  const timer = setTimeout(() => one.child.kill('SIGKILL'), STOP_LIMIT_MS);
  await one.end;
  clearTimeout(timer);
}

/** Ends all, the last started first, and removes what they wrote. */
export async function stopAll() {
  while (running.length > 0) await stop(running.pop());
  rmSync(directory, { recursive: true, force: true });
}

// Whatever happens, nothing stays behind.
process.on('exit', () => {
  for (const { child, ended } of running) if (!ended) child.kill('SIGKILL');
  rmSync(directory, { recursive: true, force: true });
});
