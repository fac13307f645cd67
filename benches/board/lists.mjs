// A queue of a million jobs: how long each page of its lists and searches takes, and what memory that costs the server.
import { settle } from '../lib/noise.mjs';
import { PrivateRedis } from '../lib/private-redis.mjs';
import { fillMany } from './fill.mjs';
import { bullockBoard, memory, percentiles, shown } from './programs.mjs';

const QUEUE = 'woo-customers';
const LISTS = { waiting: 'wait', active: 'active' };

/** The cursor behind the job at a rank, as the page before it would have named it. */
async function cursorAt(client, state, rank) {
  const key = `bull:${QUEUE}:${LISTS[state] ?? state}`;
  if (state in LISTS) {
    const id = await client.lindex(key, -(rank + 1));
    return cursor(state, rank, id);
  }
  const [id, score] = await client[state === 'completed' || state === 'failed' ? 'zrevrange' : 'zrange'](key, rank, rank, 'WITHSCORES');
  return cursor(state, score, id);
}
const cursor = (state, at, id) => Buffer.from(JSON.stringify([state, `${at}`, id])).toString('base64url');

/** {what is asked: query} */
async function questions(client, counts) {
  const asked = { 'all states': {}, 'all states, 200': { limit: '200' } };
  for (const [state, n] of Object.entries(counts)) {
    asked[`${state}, first`] = { state };
    asked[`${state}, middle`] = { state, cursor: await cursorAt(client, state, Math.floor(n / 2)) };
    asked[`${state}, last`] = { state, cursor: await cursorAt(client, state, n - 60) };
    // The job that the page before ended with has gone meanwhile: its place has to be found again.
    const place = state in LISTS ? n - 60 : JSON.parse(Buffer.from(await cursorAt(client, state, n - 60), 'base64url'))[1];
    asked[`${state}, last, its job gone`] = { state, cursor: cursor(state, place, 'gone') };
  }
  return {
    ...asked,
    'id': { id: '4711' },
    'name': { name: 'full-sync' },
    'name, none': { name: 'no-such-name' },
    'where, one of 797': { where: 'data.shop=shop-5' },
    'where, none': { where: 'data.shop=no-such-shop' },
    'where, contains, none': { where: 'data.note~nothing like it' },
    'where, is not, none': { where: 'data.page!=x', name: 'none' },
    'completed, where, none': { state: 'completed', where: 'data.shop=no-such-shop' },
    'completed, deep, where, none': { ...asked['completed, middle'], where: 'data.shop=no-such-shop' },
    'waiting, deep, where, none': { ...asked['waiting, middle'], where: 'data.shop=no-such-shop' },
    'failed, error': { state: 'failed', error: '429' },
    'failed, error, none': { state: 'failed', error: 'no such error' },
  };
}

async function ask(url, query) {
  const began = performance.now();
  const answer = await fetch(`${url}?${new URLSearchParams(query)}`);
  const text = await answer.text();
  const ms = performance.now() - began;
  if (!answer.ok) throw new Error(`${JSON.stringify(query)}: ${answer.status} ${text}`);
  return ms;
}

export async function lists({ dialect, jobs, asks, settleSeconds }) {
  const server = await PrivateRedis.start({ core: null });
  const began = Date.now();
  const counts = await fillMany(server, dialect, QUEUE, jobs);
  const board = await bullockBoard(server.url);
  const url = `${board.url}/api/v1/queues/${encodeURIComponent(QUEUE)}/jobs`;
  const asked = await questions(server.client, counts);
  await ask(url, {});
  await server.resetCounters();
  await server.client.slowlog('RESET');
  console.log(`\n${dialect}: ${jobs} jobs (written in ${Math.round((Date.now() - began) / 1000)} s), each page asked for ${asks} times\n`);
  await settle(settleSeconds);
  const before = memory(board.pid);
  const times = Object.fromEntries(Object.keys(asked).map((name) => [name, []]));
  // In turn, so that a busy moment hits all of them.
  for (let round = 0; round < asks; round += 1) {
    for (const [name, query] of Object.entries(asked)) times[name].push(await ask(url, query));
  }
  const width = Math.max(...Object.keys(times).map((name) => name.length));
  console.log(`${'page'.padEnd(width)}${['p50', 'p95', 'p99', 'max ms'].map((head) => head.padStart(8)).join('')}`);
  for (const [name, values] of Object.entries(times)) console.log(`${name.padEnd(width)}${shown(percentiles(values))}`);
  const after = memory(board.pid);
  const worst = Math.max(...Object.values(times).map((values) => percentiles(values).p99));
  const { evalsha } = await server.commands();
  // [id, when, µs, command, …], at most the newest 128 above 10 ms.
  const slow = (await server.client.slowlog('GET', 128)).map(([, , micros]) => micros / 1000);
  await board.stop();
  await server.stop();
  return { what: `lists, ${dialect}`, jobs, ...percentiles(Object.values(times).flat()), worst_page_p99: worst, script_ms: evalsha.usec / evalsha.calls / 1000, slowest_script_ms: Math.max(0, ...slow), memory_before_mib: before.now, memory_grew_mib: after.most - before.now };
}
