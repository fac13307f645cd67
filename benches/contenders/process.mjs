// What the Node contenders share: the clock, the HTTP handler, the way to end.
import { Pool } from 'undici';

/** Runs `work` and says how long it took and what CPU this process used meanwhile; starting Node and connecting are not counted. */
export async function measured(op, n, work) {
  const cpu = process.cpuUsage();
  const began = performance.now();
  await work();
  const s = (performance.now() - began) / 1000;
  const used = process.cpuUsage(cpu);
  return { op, n, s, client_us: used.user + used.system };
}

/** Posts the job's data as JSON over kept-alive connections, as many as there are slots, and returns the decoded answer. */
export function httpHandler(httpUrl, slots) {
  const { origin, pathname } = new URL(httpUrl);
  const pool = new Pool(origin, { connections: slots, pipelining: 1 });
  return async (job) => {
    const { statusCode, body } = await pool.request({
      method: 'POST', path: pathname, headers: { 'content-type': 'application/json' }, body: JSON.stringify(job.data),
    });
    const answer = await body.json();
    if (statusCode !== 200) throw new Error(`HTTP ${statusCode}`);
    return answer;
  };
}

export const untilSigterm = () => new Promise((resolve) => process.once('SIGTERM', resolve));
