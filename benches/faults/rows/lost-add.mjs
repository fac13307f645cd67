// The reply to an add is lost and the producer sends it again: how many jobs are there? The id is the producer's to find.
import { spawn } from 'node:child_process';
import { Stage, pause } from '../stage.mjs';

export const row = 'lost-add';
export const measure = 'reply to an add lost: jobs there are for one add';
export const goal = '1';

export async function run(contender) {
  if (contender.binary && contender.layout === 'bullmq' && contender.title.startsWith('bullmq-official')) return 'not measured';
  const stage = await Stage.set(contender);
  try {
    const url = stage.proxy.url;
    const lost = stage.proxy.loseReplyTo('the-one');
    if (contender.binary) {
      const words = ['job', 'add', 'q', 'x', '--data', '{"mark":"the-one"}', '--dialect', contender.layout, '-r', url];
      await new Promise((resolve) => { spawn(contender.binary, words, { stdio: 'ignore' }).on('exit', resolve); });
    } else {
      const queue = stage.producer(url);
      await (queue.waitUntilReady?.() ?? queue.isReady());
      await queue.add('x', { mark: 'the-one' }).catch(() => {});
    }
    await Promise.race([lost, pause(10_000)]);
    await pause(500);
    let jobs = 0;
    for (const key of await stage.db.keys('bull:q:*')) {
      if (await stage.db.type(key) === 'hash' && (await stage.db.hget(key, 'data'))?.includes('the-one')) jobs += 1;
    }
    return `${jobs}`;
  } finally { await stage.strike(); }
}
