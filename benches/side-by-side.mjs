#!/usr/bin/env node
// Bullock, npm bull, npm bullmq, bullmq-official and the bare probe on the same work, in turn, in one run. See README.md beside this file.
import { parseArgs } from 'node:util';
import { CONTENDERS } from './lib/contenders.mjs';
import { cores } from './lib/noise.mjs';
import { OPERATIONS } from './lib/operations.mjs';

const HELP = `usage: node side-by-side.mjs [--only drain,drain-http,add,latency] [--rounds 3] [--n 20000] [--who bull,probe,…] [--settle 20]

  --only    the operations to run; all by default
  --rounds  how often each contender runs, in turn; the figures are medians
  --n       jobs a run
  --who     only contenders whose name contains one of these
  --settle  seconds to wait at most, before each run, for the machine to be quiet

  BULLOCK_BIN, OFFICIAL_BIN   the binaries, if not target/release/bullock and benches/official/target/release/official`;

const FIGURES = { // key: [heading, digits]
  jobs_per_s: ['jobs/s', 0], redis_us: ['Redis µs/job', 1], redis_command_us: ['of it commands', 1], client_us: ['client µs/job', 1],
  commands: ['commands/job', 2], backend_us: ['backend µs/job', 1], p50_ms: ['p50 ms', 2], p95_ms: ['p95 ms', 2],
};

function options() {
  const { values } = parseArgs({ options: {
    only: { type: 'string', default: Object.keys(OPERATIONS).join(',') }, rounds: { type: 'string', default: '3' }, n: { type: 'string', default: '20000' },
    who: { type: 'string', default: '' }, settle: { type: 'string', default: '20' }, help: { type: 'boolean', short: 'h' },
  } });
  if (values.help) { console.log(HELP); process.exit(0); }
  const whole = (name, least) => {
    const value = Number(values[name]);
    if (!Number.isInteger(value) || value < least) throw new Error(`--${name} ${values[name]}: expected a whole number of at least ${least}`);
    return value;
  };
  const only = values.only.split(',');
  for (const name of only) if (!(name in OPERATIONS)) throw new Error(`--only ${name}: expected one of ${Object.keys(OPERATIONS).join(', ')}`);
  return { only, rounds: whole('rounds', 1), n: whole('n', 1), settleSeconds: whole('settle', 0), who: values.who.split(',').filter(Boolean) };
}

const median = (values) => values.toSorted((a, b) => a - b)[Math.floor((values.length - 1) / 2)];
const cell = (text, width) => String(text).padStart(width);

/** One operation, all its contenders, `rounds` times in turn: [{op, contender, …medians}]. */
async function compare(op, { rounds, who, ...run }) {
  const contenders = CONTENDERS[op].filter(({ name }) => who.length === 0 || who.some((part) => name.includes(part)));
  const present = contenders.filter(({ name, missing }) => {
    const why = missing?.();
    if (why) console.log(`${op}: ${name} skipped: ${why}`);
    return !why;
  });
  const runs = new Map(present.map(({ name }) => [name, []]));
  for (let round = 0; round < rounds; round += 1) {
    for (const contender of present) {
      try {
        runs.get(contender.name).push(await OPERATIONS[op](contender, run));
      } catch (error) {
        throw new Error(`${op}, ${contender.name}, round ${round + 1}: ${error.message}`, { cause: error });
      }
    }
  }
  return present.map(({ name }) => summary(op, name, runs.get(name)));
}

function summary(op, contender, runs) {
  const of = (key) => runs.map((run) => run[key]);
  const medians = Object.keys(FIGURES).filter((key) => key in runs[0]).map((key) => [key, Number(median(of(key)).toPrecision(5))]);
  const ranged = 'p50_ms' in runs[0] ? 'p50_ms' : 'jobs_per_s';
  const digits = FIGURES[ranged][1];
  const range = [Math.min(...of(ranged)), Math.max(...of(ranged))].map((value) => Number(value.toFixed(digits)));
  return { op, contender, n: runs[0].n, rounds: runs.length, ...Object.fromEntries(medians),
    [`${ranged}_range`]: range, others: Number(Math.max(...of('others')).toFixed(2)) };
}

function print(op, lines) {
  const ranged = 'p50_ms' in lines[0] ? 'p50_ms' : 'jobs_per_s';
  const keys = Object.keys(FIGURES).filter((key) => key in lines[0] && !(op === 'latency' && key === 'jobs_per_s'));
  const width = Math.max(...lines.map(({ contender }) => contender.length));
  const row = (name, cells) => console.log(`${name.padEnd(width)}  ${cells.map((text) => cell(text, 16)).join('')}`);
  console.log();
  row(op.padEnd(width), [...keys.map((key) => FIGURES[key][0]), `range of ${FIGURES[ranged][0]}`, 'others’ share']);
  for (const line of lines) {
    row(line.contender, [...keys.map((key) => line[key].toFixed(FIGURES[key][1])), line[`${ranged}_range`].join('-'), `≤ ${Math.round(line.others * 100)} %`]);
  }
}

async function main() {
  const chosen = options();
  if (cores() < 2) throw new Error('two cores are needed, one for Redis and one for the worker');
  console.log(`${chosen.n} jobs, medians of ${chosen.rounds} rounds in turn, Redis on core 0, the worker on core 1 of ${cores()}`);
  const all = [];
  for (const op of chosen.only) {
    const lines = await compare(op, chosen);
    if (lines.length > 0) print(op, lines);
    all.push(...lines);
  }
  console.log();
  for (const line of all) console.log(JSON.stringify(line));
}

main().then(() => process.exit(0), (error) => { console.error(`side-by-side: ${error.message}`); process.exit(1); });
