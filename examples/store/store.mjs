// A shop as WooCommerce has it: customers and products over a REST API with pages, a rate limit, and webhooks.
//
//   node store.mjs --port 4010 --customers 797 --without-email 5 --busy 40
//
//   GET  /wp-json/wc/v3/:kind?since_id=0&per_page=50&modified_after=   a page; X-WP-Total, and Link with the next one
//   GET  /wp-json/wc/v3/:kind/:id                                      one
//   PUT  /wp-json/wc/v3/:kind/:id                                      changes it, and tells the webhooks
//   POST /wp-json/wc/v3/webhooks  {topic, delivery_url, secret}        from now on tells this address
//
// It goes on from an id and not from the number of a page: what is added or removed meanwhile does not move the others.
import { createHmac, randomUUID } from 'node:crypto';
import { Refusal, flags, serve, withHeaders } from './http.mjs';

const options = flags({
  port: 4010,
  customers: 797,
  products: 0,
  // How many are broken for good: customers without an address, products without an article number.
  'without-email': 5,
  'without-sku': 0,
  // How many belong to a place that is busy: whoever wants to write there is refused twice.
  busy: 40,
  // Requests a second; 0 = any number.
  rate: 0,
});

const PAGE_MAX = 100;
const OPENED = Date.parse('2026-01-01T00:00:00Z');

/** `n` of the numbers 1 to `total`, evenly spread, and none of those in `but`. */
function spread(n, total, but = new Set()) {
  const chosen = new Set();
  for (let i = 0; i < n; i += 1) {
    let id = 1 + Math.floor(((i + 0.5) * total) / n);
    while (but.has(id) || chosen.has(id)) id += 1;
    chosen.add(id);
  }
  return chosen;
}

const brokenCustomers = spread(options['without-email'], options.customers);
const busyCustomers = spread(options.busy, options.customers, brokenCustomers);
const brokenProducts = spread(options['without-sku'], options.products);
const busyProducts = spread(options.busy, options.products, brokenProducts);

const kinds = {
  customers: {
    topic: 'customer.updated',
    total: options.customers,
    of: (id) => ({
      id,
      email: brokenCustomers.has(id) ? '' : `customer-${id}@${busyCustomers.has(id) ? 'busy.example' : 'example.com'}`,
      username: `customer-${id}`,
      billing: { city: ['Bologna', 'Hanoi', 'Leipzig', 'Porto'][id % 4] },
    }),
  },
  products: {
    topic: 'product.updated',
    total: options.products,
    of: (id) => ({
      id,
      sku: brokenProducts.has(id) ? '' : `SKU-${id}`,
      name: `Product ${id}`,
      regular_price: ((id % 500) + 0.99).toFixed(2),
      warehouse: busyProducts.has(id) ? 'busy' : 'main',
    }),
  },
};

const changed = new Map();
const hooks = [];

function kindOf({ kind }) {
  if (!(kind in kinds)) throw new Refusal(404, { code: 'rest_no_route', message: `there are no ${kind} here` });
  return kinds[kind];
}

function one(kind, params, id) {
  const { total, of } = kind;
  if (!(id >= 1 && id <= total)) throw new Refusal(404, { code: 'rest_invalid_id', message: `there is no ${id}` });
  return changed.get(`${params.kind}/${id}`) ?? { ...of(id), date_modified_gmt: new Date(OPENED + id).toISOString() };
}

let tokens = options.rate;
let counted = Date.now();

/** Lets `rate` requests a second through. */
function limit() {
  if (options.rate === 0) return;
  const now = Date.now();
  tokens = Math.min(options.rate, tokens + ((now - counted) * options.rate) / 1000);
  counted = now;
  if (tokens < 1) throw new Refusal(429, { code: 'too_many_requests', message: 'slow down' }, { 'retry-after': '1' });
  tokens -= 1;
}

async function tell(topic, resource) {
  for (const hook of hooks.filter((one) => one.topic === topic)) {
    const body = JSON.stringify(resource);
    const headers = {
      'content-type': 'application/json',
      'x-wc-webhook-topic': topic,
      'x-wc-webhook-resource': topic.split('.')[0],
      'x-wc-webhook-event': topic.split('.')[1],
      'x-wc-webhook-id': String(hook.id),
      'x-wc-webhook-delivery-id': randomUUID(),
      'x-wc-webhook-signature': createHmac('sha256', hook.secret).update(body).digest('base64'),
    };
    const answer = await fetch(hook.delivery_url, { method: 'POST', headers, body }).catch((error) => ({ status: error.message }));
    console.log(`told ${hook.delivery_url} of ${topic}: ${answer.status}`);
  }
}

serve('store', options.port, {
  'GET /wp-json/wc/v3/:kind': ({ params, query }) => {
    limit();
    const kind = kindOf(params);
    const size = Math.min(PAGE_MAX, Number(query.get('per_page') ?? 10));
    const since = Number(query.get('since_id') ?? 0);
    const modified = query.get('modified_after') ?? '';
    const page = [];
    let id = since;
    while (page.length < size && id < kind.total) {
      id += 1;
      const found = one(kind, params, id);
      if (found.date_modified_gmt > modified) page.push(found);
    }
    const next = id < kind.total ? { link: `</wp-json/wc/v3/${params.kind}?since_id=${id}&per_page=${size}>; rel="next"` } : {};
    return withHeaders(page, { 'x-wp-total': String(kind.total), ...next });
  },
  'GET /wp-json/wc/v3/:kind/:id': ({ params }) => {
    limit();
    return one(kindOf(params), params, Number(params.id));
  },
  'PUT /wp-json/wc/v3/:kind/:id': ({ params, body }) => {
    const kind = kindOf(params);
    const now = { ...one(kind, params, Number(params.id)), ...body, id: Number(params.id), date_modified_gmt: new Date().toISOString() };
    changed.set(`${params.kind}/${now.id}`, now);
    void tell(kind.topic, now);
    return now;
  },
  'POST /wp-json/wc/v3/webhooks': ({ body }) => {
    const hook = { id: hooks.length + 1, topic: body.topic, delivery_url: body.delivery_url, secret: body.secret };
    hooks.push(hook);
    return { ...hook, secret: undefined, status: 'active' };
  },
});
