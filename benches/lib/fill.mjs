// Fills a queue the way its users do: npm bull for the Bull layout, npm bullmq for BullMQ's.
import Queue from 'bull';
import { Queue as MqQueue } from 'bullmq';
import Redis from 'ioredis';

const BULK = 1000;

/** What a sync job of a small shop looks like; the same bytes for every contender. */
export const jobData = (index) => ({ shop: `shop-${index % 797}`, page: index, since: '2026-11-01T00:00:00.000Z' });

const chunks = (n) => Array.from({ length: Math.ceil(n / BULK) }, (_, chunk) =>
  Array.from({ length: Math.min(BULK, n - chunk * BULK) }, (_, at) => chunk * BULK + at));

export async function fillBull(url, queueName, n, name = 'sync') {
  const queue = new Queue(queueName, url);
  for (const chunk of chunks(n)) await queue.addBulk(chunk.map((index) => ({ name, data: jobData(index) })));
  await queue.close();
}

/** `opts(index)`: what npm bullmq is given beside name and data. */
export async function fillBullmq(url, queueName, n, name = 'sync', opts = () => ({})) {
  const connection = new Redis(url, { maxRetriesPerRequest: null });
  const queue = new MqQueue(queueName, { connection });
  for (const chunk of chunks(n)) await queue.addBulk(chunk.map((index) => ({ name, data: jobData(index), opts: opts(index) })));
  await queue.close();
  connection.disconnect();
}
