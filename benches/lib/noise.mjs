// How busy the machine is with other people's work, from /proc/stat. Waits for quiet, and says how quiet a run was.
import { readFileSync } from 'node:fs';

const TICKS_PER_SECOND = 100; // USER_HZ, fixed for /proc on Linux
const SAMPLE_MS = 200;
const QUIET = 0.1; // share of all cores

/** CPU seconds that all cores together spent on anything, since boot; steal counts, for it is time that nobody here got. */
export function busySeconds() {
  const [user, nice, system, , , irq, softirq, steal] = readFileSync('/proc/stat', 'latin1').split('\n', 1)[0].trim().split(/\s+/).slice(1).map(Number);
  return (user + nice + system + irq + softirq + steal) / TICKS_PER_SECOND;
}

export const cores = () => readFileSync('/proc/stat', 'latin1').match(/^cpu\d+/gm).length;

/** Waits until the machine is nearly idle, at most `limitSeconds`. */
export async function settle(limitSeconds) {
  const deadline = performance.now() + limitSeconds * 1000;
  while (performance.now() < deadline) {
    const [busy, began] = [busySeconds(), performance.now()];
    await new Promise((resolve) => setTimeout(resolve, SAMPLE_MS));
    if ((busySeconds() - busy) / ((performance.now() - began) / 1000) / cores() < QUIET) return;
  }
}

/** CPU seconds of the running process `pid`. */
export function processSeconds(pid) {
  const [utime, stime] = readFileSync(`/proc/${pid}/stat`, 'latin1').replace(/^.*\) /s, '').split(' ').slice(11, 13).map(Number);
  return (utime + stime) / TICKS_PER_SECOND;
}

/** CPU seconds of the children that this process has waited for. Ticks of 10 ms, so only for runs of many jobs. */
export function endedChildrenSeconds() {
  const [cutime, cstime] = readFileSync('/proc/self/stat', 'latin1').replace(/^.*\) /s, '').split(' ').slice(13, 15).map(Number);
  return (cutime + cstime) / TICKS_PER_SECOND;
}
