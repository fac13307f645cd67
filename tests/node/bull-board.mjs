// bull-board on one Bull queue: node bull-board.mjs <redis url> <queue>
//
// Says {listening}; the board's JSON is at <listening>/api/queues. Ends when its standard input does.
import { createBullBoard } from '@bull-board/api';
import { BullAdapter } from '@bull-board/api/bullAdapter';
import { ExpressAdapter } from '@bull-board/express';
import Bull from 'bull';
import express from 'express';
import { heard, say } from './lines.mjs';

const [redisUrl, name] = process.argv.slice(2);
const queue = new Bull(name, redisUrl);
await queue.isReady();
const serverAdapter = new ExpressAdapter();
createBullBoard({ queues: [new BullAdapter(queue)], serverAdapter });
const app = express();
app.use('/', serverAdapter.getRouter());
const server = app.listen(0, '127.0.0.1', () => say({ listening: `http://127.0.0.1:${server.address().port}` }));
for await (const _ of heard());
await queue.close(true);
process.exit(0);
