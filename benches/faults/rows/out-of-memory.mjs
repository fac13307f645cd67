// The server's memory is full for 9 s while two long jobs run on a lease of 2 s.
import { Stage, pause } from '../stage.mjs';

export const row = 'oom';
export const measure = 'full memory for 9 s: long jobs run twice / error lines';
export const goal = 'none / ≤ 10';

export async function run(contender) {
  const stage = await Stage.set(contender);
  try {
    await stage.work();
    await stage.work();
    const ids = [await stage.add({ ms: 12_000 }), await stage.add({ ms: 12_000 })];
    for (const id of ids) await stage.started(id);
    await stage.db.config('SET', 'maxmemory', '1mb');
    await pause(9000);
    await stage.db.config('SET', 'maxmemory', '0');
    await pause(8000);
    const twice = ids.filter((id) => stage.events('start', id).length > 1).length;
    const errors = stage.workers.reduce((sum, worker) => sum + worker.errors, 0);
    return `${twice} of ${ids.length} / ${errors}`;
  } finally { await stage.strike(); }
}
