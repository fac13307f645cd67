// What both servers of this example need of node:http: flags, JSON in and out, and a server that says where it listens.
import { createServer } from 'node:http';

/** `--port 4010 --customers 797` on top of the defaults. A number stays one. */
export function flags(defaults) {
  const given = { ...defaults };
  const words = process.argv.slice(2);
  while (words.length > 0) {
    const name = words.shift().replace(/^--/, '');
    if (!(name in defaults) || words.length === 0) {
      console.error(`unknown: --${name}; known, with a value each: ${Object.keys(defaults).map((one) => `--${one}`).join(' ')}`);
      process.exit(2);
    }
    const value = words.shift();
    given[name] = typeof defaults[name] === 'number' ? Number(value) : value;
  }
  return given;
}

/** An answer other than 200. */
export class Refusal extends Error {
  constructor(status, body, headers = {}) {
    super(body.message);
    Object.assign(this, { status, body, headers });
  }
}

/**
 * Serves `routes`: from 'POST /sync/:kind/page' to a function of {params, query, headers, raw, body} that gives the body of the
 * answer, or [body, headers]. Port 0 is any free one. Prints where it listens.
 */
export function serve(name, port, routes) {
  const table = Object.entries(routes).map(([route, run]) => {
    const [method, path] = route.split(' ');
    return { method, parts: path.split('/'), run };
  });
  const answer = async (request) => {
    const url = new URL(request.url, 'http://localhost');
    const parts = url.pathname.split('/');
    const fits = (one) => one.method === request.method && one.parts.length === parts.length && one.parts.every((part, at) => part.startsWith(':') || part === parts[at]);
    const found = table.find(fits);
    if (!found) throw new Refusal(404, { code: 'no_route', message: `there is no ${request.method} ${url.pathname}` });
    const params = Object.fromEntries(found.parts.flatMap((part, at) => (part.startsWith(':') ? [[part.slice(1), decodeURIComponent(parts[at])]] : [])));
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const raw = Buffer.concat(chunks);
    let body;
    try {
      body = raw.length > 0 ? JSON.parse(raw) : undefined;
    } catch {
      throw new Refusal(400, { code: 'no_json', message: 'the body is no JSON' });
    }
    return found.run({ params, query: url.searchParams, headers: request.headers, raw, body });
  };
  const server = createServer(async (request, response) => {
    const send = (status, body, headers) => response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
    try {
      const given = await answer(request);
      const [body, headers] = Array.isArray(given) && given.length === 2 && given.withHeaders ? given : [given, {}];
      send(200, body, headers);
    } catch (error) {
      if (!(error instanceof Refusal)) console.error(error);
      send(error.status ?? 500, error.body ?? { code: 'broken', message: error.message }, error.headers);
    }
  });
  server.listen(port, '127.0.0.1', () => console.log(`${name}: http://127.0.0.1:${server.address().port}`));
}

/** An answer with headers of its own. */
export const withHeaders = (body, headers) => Object.assign([body, headers], { withHeaders: true });
