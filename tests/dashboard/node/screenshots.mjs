// Pictures of every page, light and dark: node screenshots.mjs <bullock binary> <directory> [name,name,…]
//
// Starts a Redis and a bullock of its own, has npm bull and npm bullmq add made-up jobs, and ends both.
// With BESIDE=1 every page is taken at 1440 × 900 and at 390 px, and so is bull-board over the same jobs: to compare, not for docs/.
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';
import { chromium } from 'playwright-core';

const [binary, directory, only] = process.argv.slice(2);
const here = dirname(fileURLToPath(import.meta.url));
const packages = createRequire(join(here, '../../node/package.json'));
const Bull = packages('bull');
const { FlowProducer, Queue } = packages('bullmq6');
const { default: Redis } = packages('ioredis');

const freePort = () => new Promise((resolve) => {
  const server = createServer().listen(0, '127.0.0.1', () => {
    const { port } = server.address();
    server.close(() => resolve(port));
  });
});

const temporary = mkdtempSync(join(tmpdir(), 'bullock-screenshots-'));
const children = [];
const start = (command, args, stdio = 'ignore') => {
  const child = spawn(command, args, { cwd: temporary, stdio });
  children.push(child);
  return child;
};
process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL');
  rmSync(temporary, { recursive: true, force: true });
});

const [redisPort, port, storePort, officePort] = await Promise.all([freePort(), freePort(), freePort(), freePort()]);
const url = `redis://127.0.0.1:${redisPort}`;
start('redis-server', ['--port', String(redisPort), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no']);
// The shop and the back office of examples/store, both ends of the syncs.
const examples = join(here, '../../../examples/store');
start('node', [join(examples, 'store.mjs'), '--port', String(storePort), '--customers', '797', '--products', '8100', '--without-sku', '6']);
start('node', [join(examples, 'office.mjs'), '--port', String(officePort), '--store', `http://127.0.0.1:${storePort}`]);
const syncs = readFileSync(join(examples, 'bullock.toml'), 'utf8')
  .slice(readFileSync(join(examples, 'bullock.toml'), 'utf8').indexOf('[queues'))
  .replaceAll('127.0.0.1:3000', `127.0.0.1:${officePort}`)
  .replace(/^secret = .*$/gm, '')
  .replace('batch_delay = "2s"', 'batch_delay = "250ms"')
  .replace('/products/push" }', '/products/push" }\nbatch_delay = "500ms"');
const steps = join(here, 'steps.mjs');
const queueOf = (name, dialect, concurrency) => `[queues."${name}"]
dialect = "${dialect}"
concurrency = ${concurrency}
metrics = { max_points = 1440 }
[queues."${name}".handlers."*"]
exec = ["node", "${steps}"]
`;
writeFileSync(join(temporary, 'bullock.toml'), `[redis]
url = "${url}"
[worker]
name = "w-1"
[admin]
listen = "127.0.0.1:${port}"
${queueOf('woo:customers', 'bull', 3)}${queueOf('shopify-products', 'bullmq', 3)}${queueOf('emails', 'bull', 4)}${queueOf('invoices', 'bullmq', 2)}${syncs}`);

const redis = new Redis(redisPort, '127.0.0.1');
// It is tried again until the server has come up.
redis.on('error', () => undefined);
await redis.ping();
const connection = { host: '127.0.0.1', port: redisPort };
const customers = new Bull('woo:customers', url);
const emails = new Bull('emails', url);
const reports = new Bull('reports', url);
const products = new Queue('shopify-products', { connection });
const invoices = new Queue('invoices', { connection });
const shops = ['acme', 'globex', 'initech', 'hooli', 'umbrella', 'stark', 'wayne', 'northwind'];
const shop = (i) => shops[i % shops.length];

await customers.isReady();
await invoices.waitUntilReady();
start(binary, ['run', '-c', 'bullock.toml']);
for (let look = 0; ; look += 1) {
  const ready = await fetch(`http://127.0.0.1:${port}/readyz`).then((answer) => answer.ok, () => false);
  if (ready) break;
  if (look > 300) throw new Error(`bullock did not become ready: run \`${binary} run\` to see why`);
  await sleep(100);
}

const add = async (queue, name, list, opts) => {
  for (const [i, data] of list.entries()) await queue.add(name, data, typeof opts === 'function' ? opts(i) : opts);
};
const act = (path, body) => fetch(`http://127.0.0.1:${port}/api/v1/${path}`, { method: 'POST', headers: { 'content-type': 'application/json', 'x-requested-with': 'bullock' }, body: JSON.stringify(body) });
const sync = async (org, name, reason) => {
  const body = { queue: 'shop-sync', name, data: { shop: org }, opts: { jobId: `${name.slice(5)}-${org}`, attempts: 5 }, reason };
  const answer = await (await act(`orgs/${org}/syncs`, body)).json();
  if (!answer.sync) throw new Error(JSON.stringify(answer));
  return answer.sync.id;
};
await sync('acme', 'sync-customers', 'first import');
const held = await sync('globex', 'sync-customers', '');
await sleep(2500);
await act(`syncs/shop-sync/${held}/pause`, { reason: 'the shop is being moved' });
await sync('acme', 'sync-products', 'first import');
const many = (n, of) => Array.from({ length: n }, (_, i) => of(i));
await add(emails, 'welcome', many(18, (i) => ({ to: `${shop(i)}@example.com`, steps: 1 })), {});
await add(emails, 'welcome', many(4, (i) => ({ to: `${shop(i)}@example.com`, fail: `SMTP 550: mailbox ${200 + i} is unknown` })), {});
await add(customers, 'sync', many(10, (i) => ({ shop: shop(i), items: 120 + i * 31, steps: 3, failsItems: i === 4 ? 1 : 0, log: true })), {});
await add(customers, 'sync', many(3, (i) => ({ shop: shop(i + 2), items: 80 + i, steps: 2, fail: `WooCommerce 401: consumer key ${4100 + i} is invalid` })), {});
await add(products, 'pull-products', many(8, (i) => ({ shop: shop(i), items: 40 + i * 17, steps: 2 })), {});
await add(products, 'pull-products', many(5, (i) => ({ shop: shop(i + 1), fail: `Shopify 429: retry after ${i + 2} s` })), {});
await add(invoices, 'render', many(9, (i) => ({ order: 7400 + i, steps: 1 })), {});
await sleep(9000);

// What the workers have collected by the minute, as far back as a day at work would have it.
for (const [queue, level] of [['woo:customers', 9], ['shopify-products', 22], ['emails', 41], ['invoices', 5]]) {
  const wave = (i, at) => Math.max(0, Math.round(level * (1 + 0.45 * Math.sin((i + at) / 6) + 0.25 * Math.sin(i * 1.9 + at))));
  for (const [kind, of] of [['completed', (i) => wave(i, level)], ['failed', (i) => (i % 13 === 5 ? Math.ceil(level / 9) : 0)]]) {
    const key = `bull:${queue}:metrics:${kind}`;
    await redis.hset(key, 'count', 0, 'prevTS', Date.now(), 'prevCount', 0);
    await redis.del(`${key}:data`);
    await redis.rpush(`${key}:data`, ...many(60, of));
  }
}
await add(customers, 'sync', many(2, (i) => ({ shop: shop(i), items: [9400, 7850][i], steps: [9400, 7850][i], stepMs: 30, failsItems: 4 * i, log: true })), {});
await add(products, 'pull-products', many(3, (i) => ({ shop: shop(i + 3), items: 3900 - i * 390, steps: 3900 - i * 390, stepMs: 70, log: true })), {});
await add(emails, 'newsletter', many(26, (i) => ({ to: `${shop(i)}@example.com`, steps: 600, stepMs: 500 })), {});
await add(products, 'pull-orders', many(6, (i) => ({ shop: shop(i), since: '2026-11-20' })), (i) => ({ priority: i + 1 }));
await add(customers, 'nightly', many(3, (i) => ({ shop: shop(i) })), { delay: 5 * 3_600_000 });
await products.upsertJobScheduler('hourly', { every: 3_600_000 }, { name: 'pull-products', data: { shop: 'all' } });
await products.upsertJobScheduler('nightly', { pattern: '0 3 * * *', tz: 'Europe/Rome' }, { name: 'full-sync', data: { shop: 'all' } });
await emails.add('digest', {}, { repeat: { cron: '30 7 * * 1' } });
const flow = await new FlowProducer({ connection }).add({
  name: 'close-month', queueName: 'invoices', data: { month: '2026-10' },
  children: [...many(3, (i) => ({ name: 'render', queueName: 'invoices', data: { order: 8000 + i, steps: 1 } })), { name: 'book', queueName: 'invoices', data: {}, opts: { delay: 3_600_000 } }],
});
await reports.pause();
await add(reports, 'weekly', many(4, (i) => ({ shop: shop(i) })), {});
const failed = (await emails.getFailed())[0];
await act(`queues/emails/jobs/${failed.id}/retry`, { reason: 'the mailbox exists now' });
await act('queues/emails/pause', { reason: 'the mail server is being moved' });
await act('queues/emails/resume', {});
await sync('initech', 'sync-customers', '');
await sync('hooli', 'sync-products', 'new catalogue');
await sync('umbrella', 'sync-customers', '');
// Some work that goes on, so that there are rates.
let order = 9000;
setInterval(() => void invoices.add('render', { order: order += 1, steps: 1 }), 600);
await sleep(14_000);

const running = (await customers.getActive())[0];
const dead = (await customers.getFailed())[0];
const q = encodeURIComponent('woo:customers');
const pages = {
  overview: '', queue: `queues/${q}`, 'queue-failed': 'queues/shopify-products?state=failed', job: `queues/${q}/jobs/${running.id}`,
  'job-failed': `queues/${q}/jobs/${dead.id}`, failed: 'failed', workers: 'workers', schedulers: 'schedulers',
  flow: `flows/invoices/${flow.job.id}`, syncs: 'syncs', sync: 'syncs/shop-sync/products-acme', 'sync-partial': 'syncs/shop-sync/customers-acme', audit: 'audit', history: 'history', system: 'system',
};
if ((await fetch(`http://127.0.0.1:${port}/api/v1/zombies`)).ok) pages.zombies = 'zombies';
mkdirSync(directory, { recursive: true });
const places = [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome-stable'];
const browser = await chromium.launch({ executablePath: places.find((place) => place && existsSync(place)), args: ['--no-sandbox', '--force-color-profile=srgb'] });
/** What comes last, where that is not the frame. */
const lasts = { overview: '.chart canvas', history: '.chart canvas' };
const shoot = async (name, path, { base = `http://127.0.0.1:${port}`, ready = 'header.header', ...options }) => {
  const context = await browser.newContext({ reducedMotion: 'reduce', ...options });
  const page = await context.newPage();
  await page.goto(`${base}/${path}`);
  await page.locator(ready).first().waitFor();
  const last = lasts[name.replace('phone-', '').split('-')[0]];
  if (last) await page.locator(last).first().waitFor();
  while (await page.locator("[aria-busy]").count()) await sleep(50);
  // A rate takes some progress to be told.
  await sleep(name.startsWith('job-') ? 4000 : 1500);
  await page.screenshot({ path: join(directory, `${name}.png`) });
  await context.close();
};
const wanted = ([name]) => !only || only.split(',').includes(name);
if (process.env.BESIDE) {
  const names = ['woo:customers', 'emails', 'reports', '--bullmq', 'shopify-products', '--bullmq', 'invoices'];
  const board = start('node', [join(here, '../../node/bull-board.mjs'), url, ...names], ['pipe', 'pipe', 'inherit']);
  const { listening } = JSON.parse(await new Promise((resolve) => { createInterface({ input: board.stdout }).once('line', resolve); }));
  const theirs = { 'bull-board': '', 'bull-board-queue': `queue/${q}`, 'bull-board-failed': 'queue/shopify-products?status=failed', 'bull-board-job': `queue/${q}/${running.id}` };
  const desk = { viewport: { width: 1440, height: 900 } };
  const phone = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2 };
  for (const colorScheme of ['light', 'dark']) {
    for (const [size, options] of [['desk', desk], ['phone', phone]]) {
      for (const [name, path] of Object.entries(pages).filter(wanted)) await shoot(`${name}-${size}-${colorScheme}`, path, { ...options, colorScheme });
      for (const [name, path] of Object.entries(theirs)) await shoot(`${name}-${size}-${colorScheme}`, path, { ...options, colorScheme, base: listening, ready: 'main' });
    }
  }
  process.exit(0);
}
for (const colorScheme of ['light', 'dark']) {
  for (const [name, path] of Object.entries(pages).filter(wanted)) await shoot(`${name}-${colorScheme}`, path, { colorScheme, viewport: { width: 1280, height: 800 } });
}
await shoot('phone-sync-light', pages['sync-partial'], { colorScheme: 'light', viewport: { width: 390, height: 844 }, deviceScaleFactor: 2 });
if (!only) await shoot('phone-queue-light', pages.queue, { colorScheme: 'light', viewport: { width: 390, height: 844 }, deviceScaleFactor: 2 });
if (!only) await shoot('phone-overview-dark', pages.overview, { colorScheme: 'dark', viewport: { width: 390, height: 844 }, deviceScaleFactor: 2 });
await browser.close();
console.log(`${Object.keys(pages).length * 2 + 2} pictures in ${directory}`);
process.exit(0);
