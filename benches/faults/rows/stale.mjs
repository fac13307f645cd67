// A worker stands still past its lease, another one completes the job, the first one goes on: what of it is written?
import { Stage, pause } from '../stage.mjs';

export const row = 'stale';
export const measure = 'writes of a stale worker accepted after the job was completed';
export const goal = 'none';
// What a job's own hash and its log say.
const FIELDS = ['data', 'progress', 'returnvalue', 'failedReason', 'stacktrace', 'attemptsMade', 'atm', 'finishedOn'];

async function look(stage, id) {
  const hash = await stage.db.hgetall(`bull:q:${id}`);
  return { ...Object.fromEntries(FIELDS.map((field) => [field, hash[field]])), logs: `${await stage.db.lrange(`bull:q:${id}:logs`, 0, -1)}` };
}

export async function run(contender) {
  const stage = await Stage.set(contender);
  try {
    const first = await stage.work();
    const id = await stage.add({ ms: 1500, tells: true });
    await stage.started(id);
    await pause(200);
    first.signal('SIGSTOP');
    await stage.work();
    const done = async () => (await stage.states(id)).includes('completed');
    if (!await stage.until(done, 60_000)) return 'not run again in 60 s';
    await pause(500);
    const before = await look(stage, id);
    first.signal('SIGCONT');
    await pause(5000);
    const after = await look(stage, id);
    const changed = Object.keys(before).filter((field) => before[field] !== after[field]);
    return changed.length === 0 ? 'none' : changed.join(', ');
  } finally { await stage.strike(); }
}
