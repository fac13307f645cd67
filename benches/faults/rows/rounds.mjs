// A worker stands still past its lease, another one completes the job, the first one goes on; then all of it anew, on the same
// two workers. Each round is one job. What of a job changes after it was completed?
import { Stage, pause } from '../stage.mjs';
import { look } from './stale.mjs';

export const row = 'rounds';
export const measure = 'the same in separate rounds of one job each, lease 0.3 s';
export const goal = 'none';
// Rounds at once; each such lane has two workers and a Redis of its own.
const LANES = 4;
const LEASE_MS = 300;
const STALLED_MS = 100;
const WORK_MS = 80;
// What a worker that goes on has to say is said by then; all jobs are looked at once more when the rounds are over.
const HEAR_MS = 150;
const LAST_MS = 3000;

/** One round: the job and what it looked like when it was completed. */
async function round(stage) {
  const id = await stage.add({ ms: WORK_MS, tells: true });
  const start = await stage.started(id);
  if (!start) throw new Error(`job ${id} did not start`);
  const holder = stage.workerOf(start);
  holder.signal('SIGSTOP');
  try {
    const isDone = async () => await stage.db.zscore('bull:q:completed', id) !== null;
    if (!await stage.until(isDone, 30_000)) throw new Error(`job ${id} was not completed`);
    return { id, before: await look(stage, id), runs: stage.events('start', id).length };
  } finally {
    holder.signal('SIGCONT');
    await pause(HEAR_MS);
  }
}

async function lane(contender, count) {
  const stage = await Stage.set(contender);
  try {
    await Promise.all([0, 1].map(() => stage.work({ leaseMs: LEASE_MS, stalledMs: STALLED_MS, concurrency: 1 })));
    const rounds = [];
    const began = performance.now();
    // A job that was through before the signal came is no round.
    for (let tries = 0; rounds.length < count && tries < count * 2; tries += 1) {
      const one = await round(stage);
      if (one.runs > 1) rounds.push(one);
    }
    const ms = performance.now() - began;
    await pause(LAST_MS);
    const changed = new Set();
    let jobs = 0;
    for (const { id, before } of rounds) {
      const after = await look(stage, id);
      const fields = Object.keys(after).filter((field) => before[field] !== after[field]);
      fields.forEach((field) => changed.add(field));
      jobs += fields.length > 0 ? 1 : 0;
    }
    return { rounds: rounds.length, jobs, changed, ms };
  } finally { await stage.strike(); }
}

/** `rounds` rounds, in lanes. */
export async function run(contender, { rounds }) {
  const lanes = await Promise.all(Array.from({ length: LANES },
    (_, n) => lane(contender, Math.floor((rounds + n) / LANES))));
  const sum = (of) => lanes.reduce((all, one) => all + of(one), 0);
  const [done, jobs] = [sum((one) => one.rounds), sum((one) => one.jobs)];
  const changed = [...new Set(lanes.flatMap((one) => [...one.changed]))];
  const each = `${(sum((one) => one.ms) / done / 1000).toFixed(2)} s each`;
  return jobs === 0 ? `none in ${done} (${each})` : `${jobs} of ${done}: ${changed.join(', ')}`;
}
