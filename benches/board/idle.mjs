// What an open dashboard costs Redis while nothing happens: ours and bull-board's, each in a real browser, one after the other on the same Redis.
import Queue from 'bull';
import { PrivateRedis } from '../lib/private-redis.mjs';
import { bullBoard, bullockBoard, openPage, sleep } from './programs.mjs';

/** After this long the page has all that it fetches at its start. */
const WARM_MS = 15_000;
const LOOK_MS = 30_000;

async function perSecond(server) {
  const count = async () => Number((await server.client.info('stats')).match(/total_commands_processed:(\d+)/)[1]);
  await sleep(WARM_MS);
  const before = await count();
  await sleep(LOOK_MS);
  return ((await count()) - before - 1) / (LOOK_MS / 1000);
}

export async function idle() {
  const found = [];
  for (const n of [3, 50]) {
    const server = await PrivateRedis.start({ core: null });
    const names = Array.from({ length: n }, (_, at) => `queue-${at}`);
    for (const name of names) {
      const queue = new Queue(name, server.url);
      await queue.add('sync', { n });
      await queue.close();
    }
    for (const [who, start, at] of [['bullock', () => bullockBoard(server.url), 'table.queues a'], ['bull-board', () => bullBoard(server.url, names), 'main a']]) {
      const board = await start();
      const close = await openPage(board.url, at);
      const commands = await perSecond(server);
      await close();
      await board.stop();
      found.push({ what: 'idle dashboard', who, queues: n, commands_per_s: Number(commands.toFixed(1)) });
      console.log(`${who}, ${n} queues, one idle dashboard: ${commands.toFixed(1)} commands of Redis a second`);
    }
    await server.stop();
  }
  return found;
}
