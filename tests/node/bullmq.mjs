// One BullMQ queue by remote control: node bullmq.mjs <5|6> <redis url> <queue> [queue options as JSON]
//
// Takes requests {request, do, …} and answers each with {request, ok} or {request, error}. Requests run side by side, so
// that one may wait for a job while the next adds it.
import Redis from 'ioredis';
import { heard, say } from './lines.mjs';
import { confirmed, connectionOf } from './redis-url.mjs';

const [major, redisUrl, name, options = '{}'] = process.argv.slice(2);
const { FlowProducer, Job, Queue, QueueEvents, Worker } = await import(`bullmq${major}`);
const connection = { ...connectionOf(redisUrl), maxRetriesPerRequest: null };
const settings = { ...JSON.parse(options), connection };
// {"telemetry": true}: with BullMQ's own OpenTelemetry plug-in.
const tracing = settings.telemetry && (await import('./telemetry.mjs'));
if (tracing) settings.telemetry = tracing.telemetry;
// Who waits for replicas must know on which connection the queue speaks.
const client = connection.sentinels && new Redis(connection);
client?.on('error', (error) => console.error(error.message));
const complain = (error) => console.error(error.message);
const queue = new Queue(name, { ...settings, connection: client ?? connection });
queue.on('error', complain);
const closing = [queue];
let events, producer;

/**
 * The one listener of this program. It reads the stream from its beginning: from its end, it would miss what ends
 * between its connection and its first read.
 */
async function listener() {
  if (events === undefined) {
    events = new QueueEvents(name, { ...settings, blockingTimeout: 1000, lastEventId: '0' });
    events.on('error', (error) => say({ listenerError: error.message }));
    closing.push(events);
  }
  await events.waitUntilReady();
  return events;
}

// A job holds its queue, which holds sockets: what goes to the test is its plain form.
function plain(value) {
  if (Array.isArray(value)) return value.map(plain);
  if (value instanceof Job) return value.toJSON();
  if (value?.job instanceof Job) return { job: plain(value.job), children: plain(value.children ?? []) };
  return value === undefined ? null : value;
}

const jobOf = async (id) => {
  const job = await queue.getJob(id);
  if (!job) throw new Error(`no job ${id}`);
  return job;
};

const requests = {
  add: ({ args }) => queue.add(...args),
  spans: () => tracing.spans(),
  addConfirmed: ({ args }) => confirmed(client, () => queue.add(...args)),
  queue: ({ method, args }) => queue[method](...args),
  async job({ id, method, args }) {
    const job = await jobOf(id);
    return typeof job[method] === 'function' ? job[method](...args) : job[method];
  },
  // job.waitUntilFinished(). Says {waiting} once it listens.
  async finished({ id }) {
    const [job, listening] = [await jobOf(id), await listener()];
    const result = job.waitUntilFinished(listening);
    say({ waiting: id });
    return result;
  },
  // A method of FlowProducer: add unless it says another.
  flow({ method = 'add', args }) {
    if (producer === undefined) {
      producer = new FlowProducer(settings);
      producer.on('error', complain);
      closing.push(producer);
    }
    return producer[method](...args);
  },
  // Every entry of the stream, as QueueEvents hands it out.
  async listen() {
    const listening = await listener();
    const emit = listening.emit.bind(listening);
    listening.emit = (event, ...args) => {
      // Each is emitted twice: plain, and with the job's id.
      if (!event.includes(':') && event !== 'error' && !event.startsWith('ioredis')) say({ event, args });
      return emit(event, ...args);
    };
    return true;
  },
  async work({ concurrency, runMs, options: more = {} }) {
    const worker = new Worker(name, async (job) => {
      say({ started: job.id });
      await new Promise((resolve) => setTimeout(resolve, runMs));
      if (job.data.failsOnce && job.attemptsMade === 0) throw new Error('once');
      return { by: 'node' };
    }, { ...settings, concurrency, ...more });
    worker.on('error', complain);
    closing.push(worker);
    await worker.waitUntilReady();
    return true;
  },
};

async function answer({ request, ...rest }) {
  try {
    say({ request, ok: plain(await requests[rest.do](rest)) });
  } catch (error) {
    say({ request, error: error.message });
  }
}

await queue.waitUntilReady();
say({ ready: true });
for await (const request of heard()) void answer(request);
await Promise.all(closing.map((one) => one.close(true).catch(complain)));
process.exit(0);
