// One Bull queue by remote control: node bull.mjs <redis url> <queue> [queue options as JSON]
//
// Takes requests {request, do, …} and answers each with {request, ok} or {request, error}. Requests run side by side, so
// that one may wait for a job while the next adds it.
import Bull from 'bull';
import { heard, say } from './lines.mjs';
import { confirmed, connectionOf } from './redis-url.mjs';

const [redisUrl, name, options = '{}'] = process.argv.slice(2);
const queue = new Bull(name, { redis: connectionOf(redisUrl), ...JSON.parse(options) });
queue.on('error', (error) => console.error(error.message));
// Bull says 'waiting' and the like by their plain names only in the process where they happen.
const globalEvents = ['waiting', 'active', 'progress', 'completed', 'failed', 'stalled', 'delayed', 'paused', 'resumed',
  'removed', 'drained', 'cleaned', 'duplicated', 'debounced', 'lock-extension-failed'].map((event) => `global:${event}`);

// A job holds its queue, which holds sockets: what goes to the test is its plain form.
function plain(value) {
  if (Array.isArray(value)) return value.map(plain);
  if (value instanceof Bull.Job || typeof value?.toJSON === 'function') return value.toJSON();
  return value === undefined ? null : value;
}

const requests = {
  add: ({ args }) => queue.add(...args),
  addConfirmed: ({ args }) => confirmed(queue.client, () => queue.add(...args)),
  queue: ({ method, args }) => queue[method](...args),
  async job({ id, method, args }) {
    const job = await queue.getJob(id);
    if (job === null) throw new Error(`no job ${id}`);
    return typeof job[method] === 'function' ? job[method](...args) : job[method];
  },
  // Like job.finished(), and says {waiting} once Bull listens for the event and has looked for the job in vain.
  async finished({ id }) {
    const job = await queue.getJob(id);
    const before = queue.listenerCount('global:completed');
    const result = job.finished();
    while (queue.listenerCount('global:completed') === before) await new Promise(setImmediate);
    say({ waiting: id });
    return result;
  },
  listen() {
    for (const event of globalEvents) queue.on(event, (...args) => say({ event, args }));
    return queue.isReady().then(() => queue.client.ping()).then(() => true);
  },
  work({ concurrency, runMs }) {
    queue.process('*', concurrency, async (job) => {
      say({ started: job.id });
      await new Promise((resolve) => setTimeout(resolve, runMs));
      if (job.data.failsOnce && job.attemptsMade === 0) throw new Error('once');
      return { by: 'node' };
    }).catch((error) => console.error(error.message));
    return queue.isReady().then(() => true);
  },
};

async function answer({ request, ...rest }) {
  try {
    say({ request, ok: plain(await requests[rest.do](rest)) });
  } catch (error) {
    say({ request, error: error.message });
  }
}

await queue.isReady();
say({ ready: true });
for await (const request of heard()) void answer(request);
await queue.close(true);
process.exit(0);
