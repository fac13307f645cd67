// The open connections of an idle worker fall silent, new ones work: when is a new job picked up?
import { Stage, pause } from '../stage.mjs';

const LIMIT_MS = 65_000;
export const row = 'half-open';
export const measure = 'half-open connections: a new job starts after';
export const goal = '≤ 3 s';

export async function run(contender) {
  const stage = await Stage.set(contender);
  try {
    await stage.work({ leaseMs: 0, url: stage.proxy.url });
    await stage.started(await stage.add({ ms: 0 }));
    await pause(1500);
    stage.proxy.silenceExisting();
    const added = performance.now();
    const start = await stage.started(await stage.add({ ms: 0 }), 1, LIMIT_MS);
    return start ? `${((start.at - added) / 1000).toFixed(1)} s` : `> ${LIMIT_MS / 1000} s`;
  } finally { await stage.strike(); }
}
