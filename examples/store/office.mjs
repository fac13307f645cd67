// A back office that takes what the shop has. Bullock asks it for pages and gives it batches.
//
//   node office.mjs --port 3000 --store http://127.0.0.1:4010 --ledger ledger.ndjson
//
//   POST /sync/:kind/page   {job, cursor, limit} -> {items, next, total}            the source
//   POST /sync/:kind/push   {job, items}         -> [{id, status, code, message}]   the sink
//   GET  /ledger/:kind                                                               a recount of what it was sent
import { createHmac, timingSafeEqual } from 'node:crypto';
import { Refusal, flags, serve } from './http.mjs';
import { Ledger } from './ledger.mjs';

const options = flags({
  port: 3000,
  store: 'http://127.0.0.1:4010',
  // Where the ledger is kept; '' = in memory only.
  ledger: '',
  // A larger batch is refused with 413.
  'batch-max': 100,
  // Every so many pushes it asks for time with a 429, for so many seconds; 0 = never.
  'busy-every': 0,
  'busy-for': 1,
});

const secret = process.env.WEBHOOK_SECRET;
const ledger = new Ledger(options.ledger);
let pushes = 0;

/** Standard Webhooks: HMAC of id, time and body. Without a secret nobody is asked who he is. */
function verify({ headers, raw }) {
  if (!secret) return;
  const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64');
  const expected = createHmac('sha256', key).update(`${headers['webhook-id']}.${headers['webhook-timestamp']}.`).update(raw).digest();
  const given = (headers['webhook-signature'] ?? '').split(' ').map((one) => Buffer.from(one.replace(/^v1,/, ''), 'base64'));
  if (!given.some((one) => one.length === expected.length && timingSafeEqual(one, expected))) {
    throw new Refusal(401, { code: 'unsigned', message: 'not from Bullock' });
  }
}

/** The source: a page of the shop. Its cursor is the last id that was read. */
async function page(request) {
  verify(request);
  const { cursor, limit } = request.body;
  const { kind } = request.params;
  const answer = await fetch(`${options.store}/wp-json/wc/v3/${kind}?since_id=${cursor ?? 0}&per_page=${limit}`);
  if (!answer.ok) {
    // 429 with its Retry-After, 503: what the shop asks for is what Bullock should do.
    const wait = answer.headers.get('retry-after');
    if (wait) ledger.write({ kind, event: 'busy', at: Date.now() });
    throw new Refusal(answer.status, { code: 'shop', message: `the shop says ${answer.status}: ${(await answer.json()).message}` }, wait ? { 'retry-after': wait } : {});
  }
  const items = await answer.json();
  const next = /[?&]since_id=(\d+)[^>]*>; rel="next"/.exec(answer.headers.get('link') ?? '');
  return { items, next: next ? Number(next[1]) : null, total: Number(answer.headers.get('x-wp-total')) };
}

/** What becomes of one item. */
function take(kind, job, item) {
  if (kind === 'customers' && !item.email) return { id: item.id, status: 'failed', code: 'no_email', message: `${item.username} has no e-mail address` };
  if (kind === 'products' && !item.sku) return { id: item.id, status: 'failed', code: 'no_sku', message: `${item.name} has no article number` };
  const busy = item.email?.endsWith('@busy.example') || item.warehouse === 'busy';
  if (busy && ledger.tries(kind, job, item.id) < 2) return { id: item.id, status: 'failed', code: 'busy', message: 'its directory is busy, try later' };
  return { id: item.id, status: 'ok' };
}

/** The sink. The work is done before it is answered, and a batch that comes again under its key is not done again. */
function push(request) {
  verify(request);
  const { kind } = request.params;
  const { job, items } = request.body;
  if (items.length > options['batch-max']) throw new Refusal(413, { code: 'too_large', message: `at most ${options['batch-max']} items at a time` });
  pushes += 1;
  if (options['busy-every'] > 0 && pushes % options['busy-every'] === 0) {
    ledger.write({ kind, event: 'busy', at: Date.now() });
    throw new Refusal(429, { code: 'busy', message: 'busy, come back later' }, { 'retry-after': String(options['busy-for']) });
  }
  const key = request.headers['idempotency-key'];
  const fence = Number(request.headers['job-fence']);
  const entry = { kind, at: Date.now(), job: job.id, key, fence };
  if (fence < ledger.fence(kind, job.id)) {
    ledger.write({ ...entry, event: 'late' });
    throw new Refusal(409, { code: 'late', message: 'a later run of this job has been here', retryable: false });
  }
  const known = ledger.known(kind, key);
  if (known) {
    const same = known.answers.length === items.length && known.answers.every((one, at) => one.id === items[at].id);
    ledger.write({ ...entry, event: same ? 'again' : 'other' });
    if (!same) throw new Refusal(422, { code: 'other_items', message: `${key} stood for other items before` });
    return known.answers;
  }
  const answers = items.map((item) => take(kind, job.id, item));
  ledger.write({ ...entry, event: 'taken', answers });
  return answers;
}

serve('office', options.port, {
  'POST /sync/:kind/page': page,
  'POST /sync/:kind/push': push,
  'GET /ledger/:kind': ({ params, query }) => ({
    ...ledger.summary(params.kind),
    ...(query.has('times') ? { times: ledger.times(params.kind), pace: ledger.pace(params.kind) } : {}),
  }),
});
