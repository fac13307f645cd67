// A worker is killed in mid-job, with everybody's default settings: when does another one run the job again?
import { Stage, pause } from '../stage.mjs';

const LIMIT_MS = 90_000;
export const row = 'killed';
export const measure = 'run again after kill -9, default settings';
export const goal = '≤ 17 s';

export async function run(contender) {
  const stage = await Stage.set(contender);
  try {
    const first = await stage.work({ leaseMs: 0 });
    const id = await stage.add({ ms: 600_000 });
    if (!await stage.started(id)) throw new Error('the job did not start');
    await stage.work({ leaseMs: 0 });
    await pause(1000);
    const killed = performance.now();
    await first.kill();
    const again = await stage.started(id, 2, LIMIT_MS);
    return again ? `${((again.at - killed) / 1000).toFixed(1)} s` : `> ${LIMIT_MS / 1000} s`;
  } finally { await stage.strike(); }
}
