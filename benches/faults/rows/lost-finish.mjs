// The reply to a finish is lost, one slot, a lease of 2 s: how long does the next job wait for it?
import { Stage, pause } from '../stage.mjs';

export const row = 'lost-finish';
export const measure = 'reply to a finish lost, lease 2 s: the next job starts later by / failure written to the completed job';
export const goal = '≤ 1 s / no';

export async function run(contender) {
  const stage = await Stage.set(contender);
  try {
    await stage.work({ concurrency: 1, url: stage.proxy.url });
    const first = await stage.add({ ms: 1000 }, { jobId: 'first' });
    await stage.started(first);
    const next = await stage.add({ ms: 0 }, { jobId: 'next' });
    let lost = false;
    stage.proxy.loseReplyTo('done-first').then(() => { lost = true; });
    const end = await stage.until(() => stage.events('end', first)[0], 10_000);
    const start = await stage.started(next, 1, 60_000);
    await pause(3000);
    if (!lost) throw new Error('the finish did not pass the proxy');
    const dirty = await stage.db.hget(`bull:q:${first}`, 'failedReason') !== null;
    return `${start ? `${((start.at - end.at) / 1000).toFixed(1)} s` : '> 60 s'} / ${dirty ? 'yes' : 'no'}`;
  } finally { await stage.strike(); }
}
