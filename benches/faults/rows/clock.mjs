// The worker's clock is an hour ahead: when does a job with a delay of 20 s start? Needs the program faketime.
import { spawnSync } from 'node:child_process';
import { Stage } from '../stage.mjs';

export const row = 'clock';
export const measure = "worker's clock +1 h: a delay of 20 s ends after";
export const goal = '20 s';

export async function run(contender) {
  if (spawnSync('faketime', ['--version']).error) return 'not measured: faketime is not installed';
  const stage = await Stage.set(contender);
  try {
    await stage.work({ leaseMs: 0, clock: '+3600s' });
    const added = performance.now();
    const id = await stage.add({ ms: 0 }, { delay: 20_000 });
    const start = await stage.started(id, 1, 40_000);
    return start ? `${((start.at - added) / 1000).toFixed(1)} s` : '> 40 s';
  } finally { await stage.strike(); }
}
