// bull-board on queues of Bull, of BullMQ, or both: node bull-board.mjs <redis url> [<queue of Bull> …] [--bullmq <queue> …]
//
// Says {listening}; the board's JSON is at <listening>/api/queues. Ends when its standard input does.
import { parseArgs } from 'node:util';
import { createBullBoard } from '@bull-board/api';
import { BullAdapter } from '@bull-board/api/bullAdapter';
import { BullMQAdapter } from '@bull-board/api/bullMQAdapter';
import { ExpressAdapter } from '@bull-board/express';
import Bull from 'bull';
import { Queue } from 'bullmq6';
import express from 'express';
import { heard, say } from './lines.mjs';
import { connectionOf } from './redis-url.mjs';

const { positionals, values } = parseArgs({ allowPositionals: true, options: { bullmq: { type: 'string', multiple: true, default: [] } } });
const [redisUrl, ...names] = positionals;
const bull = names.map((name) => new Bull(name, redisUrl));
const bullmq = values.bullmq.map((name) => new Queue(name, { connection: connectionOf(redisUrl) }));
await Promise.all([...bull.map((queue) => queue.isReady()), ...bullmq.map((queue) => queue.waitUntilReady())]);
const serverAdapter = new ExpressAdapter();
createBullBoard({ queues: [...bull.map((queue) => new BullAdapter(queue)), ...bullmq.map((queue) => new BullMQAdapter(queue))], serverAdapter });
const app = express();
app.use('/', serverAdapter.getRouter());
const server = app.listen(0, '127.0.0.1', () => say({ listening: `http://127.0.0.1:${server.address().port}` }));
for await (const _ of heard());
await Promise.all([...bull.map((queue) => queue.close(true)), ...bullmq.map((queue) => queue.close())]);
process.exit(0);
