// The reply to an add is lost and the producer sends it again: how many jobs are there? The id is the producer's to find.
import { spawn } from 'node:child_process';
import { Stage, pause } from '../stage.mjs';

export const row = 'lost-add';
export const measure = 'reply to an add lost: jobs there are for one add';
export const goal = '1';

const ended = (program, words) => new Promise((resolve) => { spawn(program, words, { stdio: 'ignore' }).on('exit', resolve); });

/** How the contender's own producer adds one job, and a text that is in it. */
function producing(contender, url) {
  if (contender.title.startsWith('Bullock')) {
    return { text: 'the-one', words: ['job', 'add', 'q', 'x', '--data', '{"mark":"the-one"}', '--dialect', contender.layout, '-r', url] };
  }
  return contender.binary ? { text: 'shop-1"', words: ['add', url, 'q', '2', '1'] } : { text: 'the-one' };
}

export async function run(contender) {
  const stage = await Stage.set(contender);
  try {
    const url = stage.proxy.url;
    const { text, words } = producing(contender, url);
    // One before: the server must know the script, or what is lost is only its saying that it does not.
    if (words) await ended(contender.binary, producing(contender, stage.redis.url).words.map((word) => word.replace('the-one', 'before')));
    else await stage.add({ mark: 'before' });
    if (contender.binary && text !== 'the-one') await stage.db.flushdb();
    let lost = false;
    stage.proxy.loseReplyTo(text).then(() => { lost = true; });
    if (words) {
      await ended(contender.binary, words);
    } else {
      const queue = stage.producer(url);
      await (queue.waitUntilReady?.() ?? queue.isReady());
      await queue.add('x', { mark: text }).catch(() => {});
    }
    await stage.until(() => lost, 5000);
    if (!lost) throw new Error('the add did not pass the proxy');
    await pause(500);
    let jobs = 0;
    for (const key of await stage.db.keys('bull:q:*')) {
      if (await stage.db.type(key) === 'hash' && (await stage.db.hget(key, 'data'))?.includes(text)) jobs += 1;
    }
    return `${jobs}`;
  } finally { await stage.strike(); }
}
