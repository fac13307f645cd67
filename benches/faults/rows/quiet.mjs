// No fault at all, default settings, two workers: does any job run a second time?
import { Stage, pause } from '../stage.mjs';

export const row = 'quiet';
export const measure = 'quiet minutes, default settings: jobs run twice';
export const goal = '0';

export async function run(contender, { quiet }) {
  const stage = await Stage.set(contender);
  try {
    for (let n = 0; n < 2; n += 1) await stage.work({ leaseMs: 0 });
    const until = performance.now() + quiet * 60_000;
    let added = 0;
    while (performance.now() < until) {
      // One in ten outlives its lease several times over.
      await stage.add({ ms: added % 10 === 9 ? Math.min(45_000, quiet * 30_000) : 20 });
      added += 1;
      await pause(250);
    }
    await stage.until(async () => await stage.db.zcard('bull:q:completed') >= added, 120_000);
    const ids = new Set(stage.events('start').map(({ job }) => job));
    const again = stage.events('start').length - ids.size;
    if (ids.size !== added) throw new Error(`${ids.size} of ${added} jobs ran`);
    return `${again} of ${added} in ${quiet} min`;
  } finally { await stage.strike(); }
}
