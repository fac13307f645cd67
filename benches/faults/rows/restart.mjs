// Redis is killed and back, with its data, after 3.5 s: when does the first new job start?
import { Stage, pause } from '../stage.mjs';

export const row = 'restart';
export const measure = 'Redis back after a restart of 3.5 s: a new job starts after';
export const goal = '≤ 1 s';

export async function run(contender) {
  const stage = await Stage.set(contender, { durable: true });
  try {
    await stage.work({ leaseMs: 0 });
    await stage.started(await stage.add({ ms: 0 }));
    await pause(1000);
    await stage.redis.crashFor(3500);
    const back = performance.now();
    // By another connection than the producer's, whose own way back is not what is measured.
    const id = await stage.addAnew({ ms: 0 });
    const start = await stage.started(id, 1, 60_000);
    return start ? `${((start.at - back) / 1000).toFixed(1)} s` : '> 60 s';
  } finally { await stage.strike(); }
}
