// What a queue did by the hour or the day, and how its syncs ended: from the log that workers keep, which outlives the jobs.

import { get } from '../../api/client';
import type { History, Kind, SyncRun } from '../../api/types';
import { count, duration, iso, percent } from '../../format';
import { countsMoved } from '../../live/queues';
import { useResource } from '../../live/resource';
import { param, setQuery, toQueue, toSync } from '../../router';
import { Clock, StatusWord } from '../../ui/parts';
import { Pager, Slowest } from './frame';

const GAP_MS = 5000;
/** Workers write what they have counted once a second. */
const SETTLE_MS = 2000;
const EVERY_MS = 15_000;
const RUNS = 50;

export function QueueLog({ queue }: { queue: string }) {
  const by = param('by') === 'day' ? 'day' : 'hour';
  const cursor = param('cursor');
  const history = useResource<History>(`history ${queue} ${by}`, (signal) => get(['history'], { queue, by }, signal), { when: countsMoved, gapMs: GAP_MS, everyMs: EVERY_MS, settleMs: SETTLE_MS });
  const runs = useResource<{ items: SyncRun[]; next: string | null }>(`runs ${queue} ${cursor}`, (signal) => get(['history', 'runs'], { queue, cursor, limit: RUNS }, signal), cursor ? {} : { when: countsMoved, gapMs: GAP_MS, everyMs: EVERY_MS, settleMs: SETTLE_MS });
  const data = history.data.value;
  const list = runs.data.value;
  return (
    <>
      {data && data.kinds.length > 0 ? <Kinds data={data} by={by} /> : null}
      {list && list.items.length > 0 ? <Runs queue={queue} items={list.items} next={list.next} /> : null}
    </>
  );
}

const BYS = [['hour', '24 hours'], ['day', '30 days']] as const;
const sum = (kinds: Kind[], of: (kind: Kind) => number): number => kinds.reduce((n, kind) => n + of(kind), 0);

function Kinds({ data, by }: { data: History; by: 'hour' | 'day' }) {
  return (
    <section class="card card-scroll" aria-label="By kind">
      <nav class="tabs" aria-label="Time shown">
        {BYS.map(([word, text]) => <button key={word} type="button" aria-current={word === by ? 'page' : undefined} onClick={() => setQuery({ by: word === 'hour' ? '' : word }, true)}>{text}</button>)}
      </nav>
      <Points data={data} />
      <table class="table">
        <thead><tr><th scope="col">Kind</th><th scope="col" class="num">Ended</th><th scope="col" class="num md">Succeeded</th><th scope="col" class="num md">Partial</th><th scope="col" class="num">Failed</th><th scope="col" class="num md">Retried</th><th scope="col" class="num">Run p50</th><th scope="col" class="num md">p95</th><th scope="col" class="num lo md">Wait p95</th><th scope="col" class="num lo md">Items</th></tr></thead>
        <tbody>
          {data.kinds.map((kind) => (
            <tr key={`${kind.name} ${kind.org ?? ''}`}>
              <th scope="row"><div class="pair">{kind.name === '*' ? <span>other names</span> : <a class="open break" href={toQueue(data.queue, { q: `name:${kind.name}` })}>{kind.name}</a>}{kind.org ? <span class="faint clip">{kind.org}</span> : null}</div></th>
              <td class="num">{count(kind.completed + kind.failed)}</td><td class="num md">{kind.successRate === null ? '–' : percent(kind.successRate)}</td>
              <td class="num md">{kind.partial ? <span class="word st-delayed">{count(kind.partial)}</span> : <span class="faint">0</span>}</td>
              <td class="num">{kind.failed ? <span class="word st-failed">{count(kind.failed)}</span> : <span class="faint">0</span>}</td>
              <td class="num md quiet">{count(kind.retried)}</td><td class="num">{duration(kind.runMs?.p50)}</td><td class="num md">{duration(kind.runMs?.p95)}</td><td class="num lo md">{duration(kind.waitMs?.p95)}</td>
              <td class="num lo md quiet">{kind.items.processed ? count(kind.items.processed) : '–'}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <Slowest queue={data.queue} runs={data.slowest} />
    </section>
  );
}

function Points({ data }: { data: History }) {
  const points = data.points.map(({ from, kinds }) => ({ from, done: sum(kinds, (kind) => kind.completed), failed: sum(kinds, (kind) => kind.failed) }));
  const most = Math.max(1, ...points.map((one) => one.done + one.failed));
  const words = `${count(points.reduce((n, one) => n + one.done, 0))} completed, ${count(points.reduce((n, one) => n + one.failed, 0))} failed, by the ${data.by}`;
  return (
    <div class="strip wide-bars" role="img" aria-label={words}>
      {points.map((one) => (
        <span key={one.from} title={`${iso(one.from)}: ${count(one.done)} completed, ${count(one.failed)} failed`}>
          {([['failed', one.failed], ['completed', one.done]] as const).map(([look, n]) => (n > 0 ? <i key={look} class={`st-${look}`} style={{ height: `${Math.max(3, (n / most) * 100)}%` }} /> : null))}
          {one.done + one.failed === 0 ? <i class="none" /> : null}
        </span>
      ))}
    </div>
  );
}

function Runs({ queue, items, next }: { queue: string; items: SyncRun[]; next: string | null }) {
  return (
    <section class="card" aria-label="Runs of syncs">
      <header><h2>Runs of syncs</h2><span class="quiet">newest first</span></header>
      <table class="table">
        <thead><tr><th scope="col">Sync</th><th scope="col" class="md">Organisation</th><th scope="col">End</th><th scope="col" class="num">Items</th><th scope="col" class="num">Failed</th><th scope="col" class="num lo md">Batches</th><th scope="col" class="num md">Took</th><th scope="col" class="num md">Ended</th></tr></thead>
        <tbody>
          {items.map((one) => (
            <tr key={one.entry}>
              <th scope="row"><div class="pair"><a class="open break" href={toSync(queue, one.id)}>{one.name}</a><span class="faint clip">{one.id}</span></div></th>
              <td class="md break">{one.org ?? <span class="faint">–</span>}</td><td><StatusWord status={one.end} /></td>
              <td class="num">{count(one.items.processed)}</td><td class="num">{one.items.failed ? <span class="word st-failed">{count(one.items.failed)}</span> : <span class="faint">0</span>}</td>
              <td class="num lo md quiet">{count(one.batches)}</td><td class="num md">{duration(one.tookMs)}</td><td class="num md quiet"><Clock at={one.endedAt} /></td>
            </tr>
          ))}
        </tbody>
      </table>
      <Pager next={next} />
    </section>
  );
}
