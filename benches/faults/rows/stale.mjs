// A worker stands still past its lease, another one completes the job, the first one goes on: what of it is written?
import { Stage, pause } from '../stage.mjs';

export const row = 'stale';
export const measure = 'writes of a stale worker accepted after the job was completed';
export const goal = 'none';
// What a job's own hash and its log say.
const FIELDS = ['data', 'progress', 'returnvalue', 'failedReason', 'stacktrace', 'attemptsMade', 'atm', 'finishedOn'];

/** What a job says of itself. */
export async function look(stage, id) {
  const hash = await stage.db.hgetall(`bull:q:${id}`);
  return { ...Object.fromEntries(FIELDS.map((field) => [field, hash[field]])), logs: `${await stage.db.lrange(`bull:q:${id}:logs`, 0, -1)}` };
}

/** `stale` jobs at once: so many runs go on after their lease. */
export async function run(contender, { stale }) {
  const stage = await Stage.set(contender);
  try {
    const first = await stage.work({ concurrency: stale });
    const ids = await Promise.all(Array.from({ length: stale }, () => stage.add({ ms: 1500 + stale * 3, tells: true })));
    if (!await stage.until(() => stage.events('start').length >= stale, 60_000)) throw new Error('not all jobs started');
    first.signal('SIGSTOP');
    await stage.work({ concurrency: stale });
    const done = async () => await stage.db.zcard('bull:q:completed') >= stale;
    if (!await stage.until(done, 120_000)) return 'not run again in 120 s';
    await pause(500);
    const before = await Promise.all(ids.map((id) => look(stage, id)));
    first.signal('SIGCONT');
    await pause(8000);
    const changed = new Set();
    let jobs = 0;
    for (const [n, id] of ids.entries()) {
      const after = await look(stage, id);
      const fields = Object.keys(after).filter((field) => before[n][field] !== after[field]);
      fields.forEach((field) => changed.add(field));
      jobs += fields.length > 0 ? 1 : 0;
    }
    return jobs === 0 ? `none in ${stale}` : `${jobs} of ${stale}: ${[...changed].join(', ')}`;
  } finally { await stage.strike(); }
}
