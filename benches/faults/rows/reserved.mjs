// Jobs whose custom id is the name of one of the queue's own keys: which are dropped in silence, and which break the queue?
import { spawnSync } from 'node:child_process';
import { Stage } from '../stage.mjs';

const NAMES = ['active', 'wait', 'paused', 'delayed', 'completed', 'failed', 'priority', 'prioritized', 'pc', 'meta', 'meta-paused', 'id',
  'events', 'marker', 'stalled', 'stalled-check', 'limiter', 'repeat', 'de'];
const LIMIT_MS = 3000;
export const row = 'reserved';
export const measure = 'reserved job ids: accepted and dropped / accepted, and the queue is broken';
export const goal = '0 / 0';

/** Adds a job of this id; false = it was refused. */
async function add(stage, name) {
  if (stage.contender.title.startsWith('Bullock')) {
    const words = ['job', 'add', 'q', 'x', '--job-id', name, '--dialect', stage.contender.layout, '-r', stage.redis.url];
    return spawnSync(stage.contender.binary, words).status === 0;
  }
  return Promise.race([stage.add({ ms: 0 }, { jobId: name }).then(() => true, () => false),
    new Promise((resolve) => { setTimeout(() => resolve(false), LIMIT_MS); })]);
}

export async function run(contender) {
  let [dropped, broken] = [0, 0];
  for (const name of NAMES) {
    const stage = await Stage.set(contender);
    try {
      await stage.work({ leaseMs: 0 });
      await stage.started(await stage.add({ ms: 0 }, { jobId: 'before' }));
      if (!await add(stage, name)) continue;
      if (!await stage.started(name, 1, LIMIT_MS)) dropped += 1;
      const after = await Promise.race([stage.add({ ms: 0 }, { jobId: 'after' }).catch(() => null), new Promise((resolve) => { setTimeout(resolve, LIMIT_MS); })]);
      if (!after || !await stage.started('after', 1, LIMIT_MS)) broken += 1;
    } finally { await stage.strike(); }
  }
  return `${dropped} / ${broken} of ${NAMES.length}`;
}
