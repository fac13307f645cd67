// What Bullock calls: one route for all jobs. In your app: app.use('/jobs', jobs), before any app.use(express.json()).
// By itself, for a try: npm install express standardwebhooks && node jobs.mjs
import express from 'express';
import { Webhook } from 'standardwebhooks';

const webhook = new Webhook(process.env.WEBHOOK_SECRET);

// One function for each job name: it takes the job's data and gives its result. What it throws is a failed attempt.
const handlers = {
  async welcome(data) {
    return { sent: true, to: data.to };
  },
};

export const jobs = express.Router();

// The signature covers the body byte for byte: take it raw, check, then use it.
jobs.post('/:name', express.raw({ type: '*/*', limit: '1mb' }), async (request, response) => {
  let data;
  try {
    data = webhook.verify(request.body, request.headers);
  } catch {
    return response.status(401).json({ message: 'not from Bullock' });
  }
  const { name } = request.params;
  // 422: it will never work, whatever attempts are left.
  if (!Object.hasOwn(handlers, name)) return response.status(422).json({ message: `no handler for ${name}` });
  try {
    response.json((await handlers[name](data)) ?? null);
  } catch (error) {
    response.status(500).json({ message: error.message, stack: error.stack });
  }
});

if (import.meta.filename === process.argv[1]) {
  const port = Number(process.env.PORT ?? 3000);
  express().use('/jobs', jobs).listen(port, '127.0.0.1', () => console.log(`listening on ${port}`));
}
