// The server is a replica of nobody for 4 s; two jobs end meanwhile. The lease is 6 s, so the results can wait.
import { Stage, pause } from '../stage.mjs';

export const row = 'read-only';
export const measure = 'READONLY for 4 s, lease 6 s: jobs run twice / error lines / false `failed`';
export const goal = '0 / ≤ 10 / 0';

export async function run(contender) {
  const stage = await Stage.set(contender);
  try {
    await stage.work({ leaseMs: 6000 });
    const ids = [await stage.add({ ms: 2000 }), await stage.add({ ms: 2000 })];
    for (const id of ids) await stage.started(id);
    await pause(300);
    await stage.db.replicaof('127.0.0.1', '1');
    await pause(4000);
    await stage.db.replicaof('NO', 'ONE');
    await pause(15_000);
    const twice = ids.filter((id) => stage.events('start', id).length > 1).length;
    const errors = stage.workers.reduce((sum, worker) => sum + worker.errors, 0);
    const failures = stage.workers.reduce((sum, worker) => sum + worker.falseFailures.length, 0);
    return `${twice} of ${ids.length} / ${errors} / ${failures}`;
  } finally { await stage.strike(); }
}
