// A backend as a Node developer writes one. Prints its port, and what it sees.
import express from 'express';
import { Webhook } from 'standardwebhooks';

const secret = process.env.SECRET;
const webhook = new Webhook(secret, secret.startsWith('whsec_') ? {} : { format: 'raw' });
const app = express();
app.set('env', 'development');

// The signature covers the bytes as they came, so the body must not be parsed before.
app.post('/signed', express.raw({ type: '*/*' }), (req, res) => {
  try {
    webhook.verify(req.body.toString('utf8'), req.headers);
  } catch (error) {
    return res.status(401).json({ message: error.message });
  }
  res.json({ id: req.get('webhook-id'), body: req.body.toString('utf8') });
});

app.use(express.json());

app.post('/ok', (req, res) => res.send('ok'));

app.post('/throws', () => {
  throw new Error('shop is closed');
});

app.post('/streams', async (req, res) => {
  res.type('application/x-ndjson');
  for (let page = 1; page <= 3; page += 1) {
    res.write(`${JSON.stringify({ progress: { total: 3, processed: page } })}\n`);
    await new Promise((done) => setTimeout(done, 5));
  }
  res.end(`${JSON.stringify({ result: { pages: 3 } })}\n`);
});

app.post('/hangs', (req, res) => {
  console.log(`working on ${req.get('job-id')}`);
  res.on('close', () => console.log(`closed ${req.get('job-id')}`));
});

const server = app.listen(0, '127.0.0.1', () => console.log(`port ${server.address().port}`));
