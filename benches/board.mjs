#!/usr/bin/env node
// The dashboard and its API at scale: pages of a very long queue, an idle dashboard, very many readers of live events. See README.md beside this file.
import { parseArgs } from 'node:util';
import { idle } from './board/idle.mjs';
import { lists } from './board/lists.mjs';
import { streams } from './board/streams.mjs';
import { busySeconds, cores } from './lib/noise.mjs';

const HELP = `usage: node board.mjs [--only lists,idle,streams] [--dialect bull,bullmq] [--jobs 1000000] [--asks 200] [--readers 500] [--rate 20] [--seconds 20]

  BULLOCK_BIN   the binary, if not target/release/bullock`;

const { values } = parseArgs({ options: {
  only: { type: 'string', default: 'lists,idle,streams' }, dialect: { type: 'string', default: 'bull,bullmq' }, jobs: { type: 'string', default: '1000000' },
  asks: { type: 'string', default: '200' }, readers: { type: 'string', default: '500' }, rate: { type: 'string', default: '20' }, seconds: { type: 'string', default: '20' },
  settle: { type: 'string', default: '20' }, help: { type: 'boolean', short: 'h' },
} });
const number = (name) => {
  const value = Number(values[name]);
  if (!Number.isInteger(value) || value < 0) throw new Error(`--${name} ${values[name]}: expected a whole number`);
  return value;
};

/** How busy the machine was meanwhile, by whomever: what a figure is worth depends on it. */
async function watched(work) {
  const [busy, began] = [busySeconds(), performance.now()];
  const found = await work();
  const share = (busySeconds() - busy) / ((performance.now() - began) / 1000) / cores();
  return [found].flat().map((one) => ({ ...one, busy: Number(share.toFixed(2)) }));
}

async function main() {
  if (values.help) { console.log(HELP); return; }
  const settleSeconds = number('settle');
  for (const part of values.only.split(',')) {
    for (const dialect of part === 'idle' ? [''] : values.dialect.split(',')) {
      const work = {
        lists: () => lists({ dialect, jobs: number('jobs'), asks: number('asks'), settleSeconds }),
        idle,
        streams: () => streams({ dialect, readers: number('readers'), rate: number('rate'), seconds: number('seconds'), settleSeconds }),
      }[part];
      if (!work) throw new Error(`--only ${part}: expected lists, idle or streams`);
      for (const one of await watched(work)) console.log(JSON.stringify(one, (_, value) => (typeof value === 'number' ? Number(value.toFixed(2)) : value)));
    }
  }
}

main().then(() => process.exit(0), (error) => { console.error(`board: ${error.message}`); process.exit(1); });
