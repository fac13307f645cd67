// A backend with core http only. Says {port}, then {seen, id, headers, body} for each request and {closed, id} when its
// connection goes before its answer. Routes: /hangs never answers, /moves streams progress for ever, /silent streams one
// line and no more, anything else answers 204.
import { createServer } from 'node:http';

import { heard, say } from './lines.mjs';

const server = createServer((request, response) => {
  const id = request.headers['job-id'];
  let body = '';
  request.on('data', (chunk) => { body += chunk; });
  request.on('end', () => {
    say({ seen: request.url, id, headers: request.headers, body });
    const line = (value) => response.write(`${JSON.stringify(value)}\n`);
    if (request.url === '/hangs') return;
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
