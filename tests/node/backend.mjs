// A backend with core http only. Says {port}, then {seen, id, headers, body} for each request and {closed, id} when its
// connection goes before its answer. Routes: /hangs never answers, /moves streams progress for ever, /silent streams one
// line and no more, /reports answers after ten progress callbacks, /detaches answers 202 and completes after them, /beats
// answers 202 and then sends heartbeats only; anything else answers 204.
import { createServer } from 'node:http';

import { heard, say } from './lines.mjs';

const pause = (ms) => new Promise((done) => { setTimeout(done, ms); });

async function tell(request, what, body) {
  const { 'job-callback': callback, 'job-token': token } = request.headers;
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
  const { status } = await fetch(`${callback}/${what}`, { method: 'POST', headers, body: JSON.stringify(body) });
  return status;
}

/** Says {told, id, status} when a callback is refused, and stops. */
async function reports(request, what, times, last) {
  for (let n = 1; n <= times; n += 1) {
    await pause(100);
    const status = await tell(request, what, n);
    if (status !== 200) return say({ told: what, id: request.headers['job-id'], status });
  }
  return last();
}

const server = createServer((request, response) => {
  const id = request.headers['job-id'];
  let body = '';
  request.on('data', (chunk) => { body += chunk; });
  request.on('end', () => {
    say({ seen: request.url, id, headers: request.headers, body });
    const line = (value) => response.write(`${JSON.stringify(value)}\n`);
    if (request.url === '/hangs') return;
    if (request.url === '/reports') return void reports(request, 'progress', 10, () => response.end('"reported"'));
    if (request.url === '/detaches' || request.url === '/beats') {
      response.writeHead(202).end();
      const what = request.url === '/beats' ? 'heartbeat' : 'progress';
      return void reports(request, what, what === 'progress' ? 10 : 600, () => tell(request, 'complete', 'detached'));
    }
    if (request.url !== '/moves' && request.url !== '/silent') return response.writeHead(204).end();
    response.writeHead(200, { 'content-type': 'application/x-ndjson' });
    line({ progress: 1 });
    if (request.url === '/silent') return;
    const timer = setInterval(() => line({ progress: Date.now() }), 50);
    response.on('close', () => clearInterval(timer));
  });
  response.on('close', () => { if (!response.writableFinished) say({ closed: request.url, id }); });
});
server.listen(0, '127.0.0.1', () => say({ port: server.address().port }));
for await (const _ of heard());
process.exit(0);
