// The probe's worker: a no-op handler over the two scripts, some batches in flight. Run by path it is a contender process:
//   node driver.mjs URL QUEUE [options as JSON]   → {"jobs":…,"s":…,"client_us":…} on stdout
import { randomUUID } from 'node:crypto';
import { pathToFileURL } from 'node:url';
import Redis from 'ioredis';
import { unpack } from 'msgpackr';
import { PROBE, claimScript, fieldNames, finishScript } from './scripts.mjs';

const LOCK_MS = 30_000;

const rows = (flat, width) => Array.from({ length: flat.length / width }, (_, row) => flat.slice(row * width, (row + 1) * width));

export async function drain(url, queue, options = {}) {
  const o = { ...PROBE, ...options };
  const redis = new Redis(url, { enableReadyCheck: false });
  redis.defineCommand('claim', { numberOfKeys: 3, lua: claimScript(o) });
  redis.defineCommand('finish', { numberOfKeys: 3, lua: finishScript(o) });
  const base = `bull:${queue}:`;
  const token = randomUUID();
  const result = 'null';
  const fields = fieldNames(o);
  let jobs = 0;
  let lost = 0;

  async function lane() {
    for (;;) {
      const now = Date.now();
      let claimed = await redis[o.reply === 'cmsgpack' ? 'claimBuffer' : 'claim'](`${base}wait`, `${base}active`, `${base}leases`, base, token, LOCK_MS, now, o.batch, now + LOCK_MS);
      if (claimed.length === 0) return;
      if (o.reply === 'flat') claimed = rows(claimed, o.fields + 1);
      if (o.reply === 'cmsgpack') claimed = unpack(claimed);
      if (claimed.length === 0) return;
      if (o.read === 'outside' || o.read === 'outside-all') {
        const pipeline = redis.pipeline();
        for (const id of claimed) if (o.read === 'outside') pipeline.hmget(base + id, fields); else pipeline.hgetall(base + id);
        const read = await pipeline.exec();
        claimed = read.map(([, job], at) => [...Object.values(job), claimed[at]]);
      }
      if (o.shuffle) claimed = claimed.map((job) => [Math.random(), job]).sort(([a], [b]) => a - b).map(([, job]) => job);
      const finished = [base, token, Date.now()];
      for (const job of claimed) {
        const id = Array.isArray(job) ? job.at(-1) : job;
        if (o.event === 'argv') finished.push(id, result, `{"jobId":"${id}","val":"${result}"}`);
        else finished.push(id, result);
      }
      const refused = await redis.finish(`${base}active`, `${base}completed`, `${base}leases`, ...finished);
      lost += refused.length;
      jobs += claimed.length;
    }
  }

  /** The same commands without scripts and without the fence. */
  async function floorLane() {
    for (;;) {
      const ids = (await redis.rpop(`${base}wait`, o.batch)) ?? [];
      if (ids.length === 0) return;
      const now = Date.now();
      const claim = redis.pipeline().lpush(`${base}active`, ids);
      for (const id of ids) claim.hmget(base + id, fields).set(`${base}${id}:lock`, token, 'PX', LOCK_MS).publish(`${base}active@${token}`, id).hset(base + id, 'processedOn', now);
      await claim.zadd(`${base}leases`, ids.flatMap((id) => [now + LOCK_MS, id])).exec();
      const finish = redis.pipeline().mget(ids.map((id) => `${base}${id}:lock`)).del(ids.map((id) => `${base}${id}:lock`));
      for (const id of ids) finish.lrem(`${base}active`, -1, id).hset(base + id, 'returnvalue', result, 'finishedOn', now).publish(`${base}completed`, `{"jobId":"${id}","val":"${result}"}`);
      await finish.zadd(`${base}completed`, ids.flatMap((id) => [now, id])).zrem(`${base}leases`, ids).exec();
      jobs += ids.length;
    }
  }

  await redis.ping();
  const cpu = process.cpuUsage();
  const began = performance.now();
  await Promise.all(Array.from({ length: o.lanes }, o.floor ? floorLane : lane));
  const s = (performance.now() - began) / 1000;
  const used = process.cpuUsage(cpu);
  redis.disconnect();
  if (lost > 0) throw new Error(`${lost} jobs lost their lock`);
  return { jobs, s, client_us: used.user + used.system };
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const [url, queue, options] = process.argv.slice(2);
  console.log(JSON.stringify(await drain(url, queue, options ? JSON.parse(options) : {})));
}
