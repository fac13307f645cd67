// Bull, BullMQ, bullmq-official and Bullock beside each other under the same faults; prints a table in Markdown.
//
//   node faults/main.mjs [--only row,row] [--who bull,bullmq,official,bullock,bullock-bullmq] [--at-once 2]
//     [--stale 1000] [--rounds 1000] [--quiet 10]
//
// --stale: so many jobs run in the worker that is stopped; --rounds: a worker is stopped so often; --quiet: so many minutes
// without a fault. Each cell has a redis-server and workers of its own. Peers' settings: the defaults where the row says so, else a
// lock of 2 s and a stalled check every second.
import { execFileSync } from 'node:child_process';
import { parseArgs } from 'node:util';
import { CONTENDERS } from './contenders.mjs';
import * as clock from './rows/clock.mjs';
import * as corrupt from './rows/corrupt.mjs';
import * as halfOpen from './rows/half-open.mjs';
import * as killed from './rows/killed.mjs';
import * as lostAdd from './rows/lost-add.mjs';
import * as lostFinish from './rows/lost-finish.mjs';
import * as outOfMemory from './rows/out-of-memory.mjs';
import * as paused from './rows/paused.mjs';
import * as quiet from './rows/quiet.mjs';
import * as readOnly from './rows/read-only.mjs';
import * as reserved from './rows/reserved.mjs';
import * as restart from './rows/restart.mjs';
import * as rounds from './rows/rounds.mjs';
import * as stale from './rows/stale.mjs';

const ROWS = [killed, quiet, stale, rounds, halfOpen, outOfMemory, readOnly, paused, lostAdd, lostFinish, corrupt, clock, restart, reserved];

const { values } = parseArgs({ options: { only: { type: 'string' }, who: { type: 'string' }, 'at-once': { type: 'string', default: '1' },
  stale: { type: 'string', default: '20' }, rounds: { type: 'string', default: '40' },
  quiet: { type: 'string', default: '1' } } });
const settings = { stale: Number(values.stale), rounds: Number(values.rounds), quiet: Number(values.quiet) };
const pick = (text, all, what) => {
  if (!text) return all;
  return text.split(',').map((name) => {
    if (!all.includes(name)) throw new Error(`${what} ${name}: expected some of ${all.join(', ')}`);
    return name;
  });
};
const rows = pick(values.only, ROWS.map(({ row }) => row), '--only').map((name) => ROWS.find(({ row }) => row === name));
const who = pick(values.who, Object.keys(CONTENDERS), '--who').filter((name) => {
  const missing = CONTENDERS[name].missing();
  if (missing) console.error(`${CONTENDERS[name].title} is left out: ${missing}`);
  return !missing;
});

// The cells, a few at once: most of their time is waiting.
const cells = rows.flatMap((row) => who.map((name) => ({ row, name })));
const found = new Map();
async function lane() {
  for (let cell = cells.shift(); cell; cell = cells.shift()) {
    const { row, name } = cell;
    const said = await row.run(CONTENDERS[name], settings).catch((error) => `not measured: ${error.message.split('\n')[0]}`);
    found.set(`${row.row} ${name}`, said);
    console.error(`${row.row}, ${CONTENDERS[name].title}: ${said}`);
  }
}
await Promise.all(Array.from({ length: Number(values['at-once']) }, lane));

const line = (cellsOf) => `| ${cellsOf.join(' | ')} |`;
let commit = 'unknown';
try { commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim(); } catch { /* not a clone */ }
console.log(line(['', ...who.map((name) => CONTENDERS[name].title), 'goal']));
console.log(line(Array(who.length + 2).fill('---')));
for (const row of rows) console.log(line([row.measure, ...who.map((name) => found.get(`${row.row} ${name}`)), row.goal]));
console.log(`\nCommit ${commit}, Node ${process.versions.node}, ${execFileSync('redis-server', ['--version'], { encoding: 'utf8' }).match(/v=(\S+)/)[1]} redis-server.`);
process.exit(0);
