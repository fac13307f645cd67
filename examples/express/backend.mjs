// A small backend as many have one: it adds jobs with npm bull, and does them when Bullock calls.
//
//   REDIS_URL=redis://127.0.0.1:6379 WEBHOOK_SECRET=whsec_… PORT=3000 node backend.mjs
//
// Where a Node worker would say `queue.process('welcome', …)`, there is a route. Nothing else has changed.
import Bull from 'bull';
import express from 'express';
import { Webhook } from 'standardwebhooks';

const { REDIS_URL, WEBHOOK_SECRET, HOST = '127.0.0.1', PORT = '3000' } = process.env;
const mail = new Bull('mail', REDIS_URL);
const webhook = new Webhook(WEBHOOK_SECRET);
const app = express();

// The signature covers the body byte for byte, so it is checked before anything is parsed.
function onlyFromBullock(request, response, next) {
  try {
    request.job = webhook.verify(request.body, request.headers) ?? {};
  } catch (error) {
    response.status(401).json({ message: `not from Bullock: ${error.message}` });
    return;
  }
  next();
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// --- Jobs: the body is the job's data, the answer is its result -----------------------------------------------------

const jobs = express.Router();
app.use('/jobs', express.raw({ type: '*/*', limit: '1mb' }), onlyFromBullock, jobs);

jobs.post('/welcome', (request, response) => {
  response.json({ sent: true, to: request.job.to });
});

jobs.post('/invoice', (request, response) => {
  response.json({ number: request.job.number });
});

// Fails twice, as networks do. What is not 2xx is a failed attempt; Bull's options decide what comes next.
jobs.post('/flaky', (request, response) => {
  const attempt = Number(request.get('Job-Attempt'));
  if (attempt < 3) response.status(502).json({ message: `the mail server hung up (attempt ${attempt})` });
  else response.json({ attempt });
});

jobs.post('/charge', (_request, response) => {
  response.status(500).json({ message: 'card declined' });
});

// A long job tells how far it is, one JSON line after the other.
jobs.post('/sync', async (request, response) => {
  const total = request.job.items;
  const step = Math.ceil(total / 5);
  response.type('application/x-ndjson');
  const say = (line) => response.write(`${JSON.stringify(line)}\n`);
  say({ log: `syncing ${total} items of ${request.job.store}` });
  for (let processed = step; processed < total + step; processed += step) {
    await pause(300);
    if (response.destroyed) return; // Bullock closed the connection: the job was cancelled
    const done = Math.min(processed, total);
    say({ progress: { total, processed: done, successful: done, failed: 0 } });
  }
  say({ result: { synced: total, failed: 0 } });
  response.end();
});

jobs.post('/digest', (_request, response) => {
  response.json({ ok: true });
});

// --- The application: what a customer's request does ----------------------------------------------------------------

app.post('/customers', express.json(), async (request, response) => {
  const job = await mail.add('welcome', { to: request.body.email });
  response.status(202).json({ jobId: job.id, result: await job.finished() });
});

const server = app.listen(Number(PORT), HOST, (error) => {
  if (error) throw error;
  console.log(`listening on http://${HOST}:${server.address().port}`);
});

process.on('SIGTERM', async () => {
  server.close();
  server.closeAllConnections();
  await mail.close(true);
  process.exit(0);
});
