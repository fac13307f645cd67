// Was the work really done? A fast contender that leaves jobs, locks or fields behind must fail the run, not win it.
import { jobData } from './fill.mjs';

const SPOTS = 40;

function check(what, got, expected) {
  if (JSON.stringify(got) !== JSON.stringify(expected)) throw new Error(`${what}: ${JSON.stringify(got)}, expected ${JSON.stringify(expected)}`);
}

const spots = (n) => Array.from({ length: Math.min(SPOTS, n) }, (_, at) => 1 + Math.floor((at * (n - 1)) / Math.max(1, Math.min(SPOTS, n) - 1)));

/** Every job completed once, nothing left over, and the hashes readable as Bull and BullMQ read them. `result` is the handler's. */
export async function verifyDrained(redis, base, n, result) {
  check('waiting jobs', await redis.llen(`${base}wait`), 0);
  check('active jobs', await redis.llen(`${base}active`), 0);
  check('failed jobs', await redis.zcard(`${base}failed`), 0);
  const completed = await redis.zrange(`${base}completed`, 0, -1, 'WITHSCORES');
  const scores = new Map(completed.flatMap((id, at) => (at % 2 ? [] : [[id, completed[at + 1]]])));
  check('completed jobs', scores.size, n);
  for (let id = 1; id <= n; id += 1) if (!scores.has(`${id}`)) throw new Error(`job ${id} is not in completed`);
  const locks = redis.pipeline();
  for (let id = 1; id <= n; id += 1) locks.exists(`${base}${id}:lock`);
  check('locks left', (await locks.exec()).filter(([, exists]) => exists).length, 0);
  for (const id of spots(n)) {
    const job = await redis.hgetall(`${base}${id}`);
    check(`data of job ${id}`, JSON.parse(job.data), jobData(id - 1));
    check(`name of job ${id}`, job.name, 'sync');
    check(`returnvalue of job ${id}`, JSON.parse(job.returnvalue ?? '"absent"'), result);
    check(`finishedOn of job ${id} against its score`, job.finishedOn, scores.get(`${id}`));
    if (!(Number(job.processedOn) > 0 && Number(job.finishedOn) >= Number(job.processedOn))) throw new Error(`times of job ${id}: ${JSON.stringify(job)}`);
  }
}

/** Bull's listeners live on two messages a job, active and completed. */
export function verifyPublished(commands, n) {
  const published = commands.publish?.calls ?? 0;
  if (published < 2 * n) throw new Error(`only ${published} messages published for ${n} jobs: listeners would have missed some`);
}

/** As many waiting jobs as were added, with the fields that producers write. */
export async function verifyAdded(redis, base, n) {
  const waiting = await redis.lrange(`${base}wait`, 0, -1);
  check('distinct waiting jobs', new Set(waiting.filter((id) => id)).size, n);
  for (const id of spots(n).map((at) => waiting[at - 1])) {
    const job = await redis.hgetall(`${base}${id}`);
    if (typeof JSON.parse(job.data) !== 'object' || job.name === undefined || !(Number(job.timestamp) > 0)) throw new Error(`job ${id} is not what a producer writes: ${JSON.stringify(job)}`);
  }
}

/** Seconds from the first claim to the last finish, by the jobs' own times: the same clock for every contender. */
export async function spanSeconds(redis, base, n) {
  const read = redis.pipeline();
  for (let id = 1; id <= n; id += 1) read.hmget(`${base}${id}`, 'processedOn', 'finishedOn');
  const times = (await read.exec()).map(([, [processedOn, finishedOn]]) => [Number(processedOn), Number(finishedOn)]);
  const first = times.reduce((least, [processedOn]) => Math.min(least, processedOn), Infinity);
  const last = times.reduce((most, [, finishedOn]) => Math.max(most, finishedOn), 0);
  return (last - first) / 1000;
}
