// Five broken jobs wait before a good one: when does it start, what is handed to the handler, and which ids are nowhere?
import { Stage, pause } from '../stage.mjs';

const LIMIT_MS = 15_000;
export const row = 'corrupt';
export const measure = 'five corrupt jobs before a good one: it starts after / garbage handed to the handler / ids in no set';
export const goal = '≤ 1 s / 0 / 0';

/** Breaks jobs that wait: data, options, a counter, the hash itself, its type. */
async function breakAll(stage, ids) {
  const key = (id) => `bull:q:${id}`;
  await stage.db.hset(key(ids[0]), 'data', '{bad');
  await stage.db.hset(key(ids[1]), 'opts', '{bad');
  await stage.db.hset(key(ids[2]), stage.contender.layout === 'bull' ? 'attemptsMade' : 'atm', 'x');
  await stage.db.del(key(ids[3]));
  await stage.db.del(key(ids[4]));
  await stage.db.set(key(ids[4]), 'no hash');
}

export async function run(contender) {
  const stage = await Stage.set(contender);
  try {
    const ids = [];
    for (let n = 0; n < 5; n += 1) ids.push(await stage.add({ ms: 0 }, { attempts: 2 }));
    const good = await stage.add({ ms: 0, good: true });
    await breakAll(stage, ids);
    await stage.work({ concurrency: 1 });
    const ready = performance.now();
    const start = await stage.started(good, 1, LIMIT_MS);
    await pause(5000);
    // A counter that is none is no reason not to run; data that is none, or a hash that is not there, is.
    const garbage = [ids[0], ids[3], ids[4]].filter((id) => stage.events('start', id).length > 0).length;
    let nowhere = 0;
    for (const id of ids) if ((await stage.states(id)).length === 0) nowhere += 1;
    const took = start ? `${(Math.max(0, start.at - ready) / 1000).toFixed(2)} s` : `> ${LIMIT_MS / 1000} s`;
    return `${took} / ${garbage} / ${nowhere}`;
  } finally { await stage.strike(); }
}
