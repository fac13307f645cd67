// The server answers nobody for 5 s (CLIENT PAUSE), the lease is 2 s: how many of four running jobs start a second time?
import { Stage, pause } from '../stage.mjs';

export const row = 'pause';
export const measure = 'CLIENT PAUSE 5 s, lease 2 s: jobs started twice / writes of a stale run';
export const goal = '≤ 4 of 4 / 0';

export async function run(contender) {
  const stage = await Stage.set(contender);
  try {
    await stage.work();
    await stage.work();
    const ids = [];
    for (let n = 0; n < 4; n += 1) ids.push(await stage.add({ ms: 8000 }));
    for (const id of ids) await stage.started(id);
    await stage.db.client('PAUSE', '5000', 'ALL');
    await pause(24_000);
    const twice = ids.filter((id) => stage.events('start', id).length > 1).length;
    let stale = 0;
    for (const id of ids) if (await stage.db.hget(`bull:q:${id}`, 'failedReason') !== null) stale += 1;
    return `${twice} of ${ids.length} / ${stale}`;
  } finally { await stage.strike(); }
}
