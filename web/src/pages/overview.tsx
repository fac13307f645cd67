// The overview: every queue on one line, what needs a person on top.

import { useEffect } from 'preact/hooks';
import { get } from '../api/client';
import type { Counts, Health, Queue, QueueStats, Stats } from '../api/types';
import { pauseOrResume } from '../acts/queue';
import { serverNow, now } from '../clock';
import { age, count, duration, rate, short } from '../format';
import { countsMoved, queueList, showRates } from '../live/queues';
import { useResource } from '../live/resource';
import { param, place, setQuery, to, toQueue } from '../router';
import { isOperator } from '../session';
import { useRows } from '../ui/rows';
import { Icon } from '../ui/icon';
import { Lazy } from '../ui/lazy';
import { Empty, Skeleton, StateBar } from '../ui/parts';
import { Spark } from '../ui/spark';
import { Failure } from '../ui/failure';

const STATS_GAP_MS = 15_000;
const FILTER_FROM = 8;
const SECOND_LOOK_MS = 2500;
const PROBLEMS_SHOWN = 6;

export function Overview() {
  const stats = useResource<Stats>('stats', (signal) => get(['stats'], {}, signal), {
    when: countsMoved, gapMs: STATS_GAP_MS,
  });
  const health = useResource<Health>('health', (signal) => get(['health'], {}, signal), {
    when: (event) => event.type.startsWith('worker.'), everyMs: 60_000,
  });
  useEffect(showRates, []);
  // A rate takes two looks.
  const rateless = queueList.data.value?.items.some((queue) => queue.rate === null && queue.counts !== null) ?? false;
  useEffect(() => {
    if (!rateless) return;
    const timer = setTimeout(queueList.refetch, SECOND_LOOK_MS);
    return () => clearTimeout(timer);
  }, [rateless]);
  const list = queueList.data.value;
  if (!list) return queueList.error.value ? <Failure error={queueList.error.value} retry={queueList.refetch} /> : <Skeleton rows={8} />;
  const byName = new Map((stats.data.value?.queues ?? []).map((one) => [one.queue, one]));
  return (
    <>
      <h1 class="sr">Overview</h1>
      <Problems queues={list.items} health={health.data.value} />
      {list.items.length === 0 ? <NoQueues /> : <><Tiles queues={list.items} /><QueueTable queues={list.items} stats={byName} /></>}
      <Panels stats={stats.data.value} />
    </>
  );
}

function NoQueues() {
  return (
    <div class="card"><Empty title="No queues yet">
      <p>They appear here as soon as a job is added, by Node or by hand:</p>
      <pre class="code">bullock job add emails send '{'{"to": "ann@example.com"}'}'</pre>
    </Empty></div>
  );
}

function Problems({ queues, health }: { queues: Queue[]; health: Health | undefined }) {
  const lines: { key: string; text: string; href?: string; bad: boolean }[] = [];
  for (const queue of queues) {
    const counts = queue.counts ?? {};
    const line = (counts.waiting ?? 0) + (counts.prioritized ?? 0);
    if (queue.problem) lines.push({ key: `p${queue.name}`, text: `${queue.name}: ${queue.problem}`, href: toQueue(queue.name), bad: true });
    else if (queue.workers === 0 && line > 0 && !queue.paused) lines.push({ key: `w${queue.name}`, text: `${queue.name} has ${count(line)} waiting and no worker`, href: toQueue(queue.name, { state: 'waiting' }), bad: true });
  }
  const redis = health?.redis;
  if (redis?.problem) lines.push({ key: 'redis', text: `Redis: ${redis.problem}`, href: to(['system']), bad: true });
  else if (redis?.evictionPolicy && redis.evictionPolicy !== 'noeviction') lines.push({ key: 'policy', text: `Redis may throw jobs away when memory is short: maxmemory-policy is ${redis.evictionPolicy}, not noeviction`, href: to(['system']), bad: false });
  for (const handler of health?.handlers ?? []) if (!handler.healthy) lines.push({ key: `h${handler.name}`, text: `The handler ${handler.name} keeps failing`, href: to(['workers']), bad: true });
  if (lines.length === 0) return null;
  return (
    <ul class="card problems" aria-label="Problems">
      {lines.slice(0, PROBLEMS_SHOWN).map((line) => (
        <li key={line.key}>
          <span class={`word st-${line.bad ? 'failed' : 'delayed'}`}><Icon name="warn" /></span><p class="break">{line.text}</p>
          {line.href ? <a class="link nowrap" href={line.href}>Look<span class="sr"> at: {line.text}</span></a> : null}
        </li>
      ))}
      {lines.length > PROBLEMS_SHOWN ? <li class="quiet">and {lines.length - PROBLEMS_SHOWN} more</li> : null}
    </ul>
  );
}

const inLine = (counts: Counts | null): number => (counts?.waiting ?? 0) + (counts?.prioritized ?? 0) + (counts?.paused ?? 0);

/** Ages by itself between two answers; nothing waiting has no age. */
function oldest(queue: Queue): number | null {
  if (queue.oldestWaitingMs === null || inLine(queue.counts) === 0) return null;
  return queue.oldestWaitingMs + Math.max(0, now.value - serverNow() + Date.now() - queueList.at.value);
}

function Tiles({ queues }: { queues: Queue[] }) {
  const sum = (pick: (queue: Queue) => number | null | undefined): number => queues.reduce((n, queue) => n + (pick(queue) ?? 0), 0);
  const perSecond = sum((q) => q.rate?.out);
  const oldestMs = Math.max(-1, ...queues.map((queue) => oldest(queue) ?? -1));
  const tiles: [string, string, string, string?][] = [
    ['Active', count(sum((q) => q.counts?.active)), 'st-active'],
    ['Waiting', count(sum((q) => inLine(q.counts))), 'st-waiting', oldestMs >= 0 ? `oldest ${age(oldestMs)}` : ''],
    ['Delayed', count(sum((q) => (q.counts?.delayed ?? 0) + (q.counts?.['waiting-children'] ?? 0))), 'st-delayed'],
    ['Failed', count(sum((q) => q.counts?.failed)), 'st-failed'],
    ['Completed', short(sum((q) => q.counts?.completed)), 'st-completed', perSecond > 0 ? `${rate(perSecond)} a second` : ''],
  ];
  return (
    <dl class="tiles">
      {tiles.map(([name, value, look, more]) => (
        <div key={name} class={look}><dt><span class="dot" aria-hidden="true" />{name}</dt><dd>{value}{more ? <small>{more}</small> : null}</dd></div>
      ))}
    </dl>
  );
}

type Sort = { key: string; label: string; of: (queue: Queue, stats?: QueueStats) => number };
const SORTS: Sort[] = [
  { key: 'active', label: 'Active', of: (q) => q.counts?.active ?? 0 },
  { key: 'waiting', label: 'Waiting', of: (q) => inLine(q.counts) },
  { key: 'delayed', label: 'Delayed', of: (q) => (q.counts?.delayed ?? 0) + (q.counts?.['waiting-children'] ?? 0) },
  { key: 'failed', label: 'Failed', of: (q) => q.counts?.failed ?? 0 },
  { key: 'in', label: 'In/s', of: (q) => q.rate?.in ?? -1 },
  { key: 'out', label: 'Out/s', of: (q) => q.rate?.out ?? -1 },
  { key: 'wait', label: 'Wait p95', of: (_, s) => s?.waitMs?.p95 ?? -1 },
  { key: 'run', label: 'Run p95', of: (_, s) => s?.runMs?.p95 ?? -1 },
  { key: 'oldest', label: 'Oldest', of: (q) => oldest(q) ?? -1 },
];

const LOW = new Set(['delayed', 'in', 'wait', 'run']);
const MIDDLE = new Set(['out', 'oldest']);
const hides = (key: string): string => (LOW.has(key) ? ' lo md' : MIDDLE.has(key) ? ' md' : '');

function QueueTable({ queues, stats }: { queues: Queue[]; stats: Map<string, QueueStats> }) {
  const rows = useRows();
  const filter = param('q').toLowerCase();
  const by = param('sort');
  const sort = SORTS.find((one) => one.key === by);
  let shown = filter ? queues.filter((queue) => queue.name.toLowerCase().includes(filter)) : queues;
  if (sort) shown = [...shown].sort((a, b) => sort.of(b, stats.get(b.name)) - sort.of(a, stats.get(a.name)) || a.name.localeCompare(b.name));
  const sparks = [...stats.values()].some((one) => one.series?.completed.some(Boolean) || one.series?.failed.some(Boolean));
  return (
    <section class="card" aria-label="Queues">
      {queues.length > FILTER_FROM || filter ? (
        <header>
          <h2>{count(queues.length)} queues</h2>
          <input class="input narrow" type="search" placeholder="Filter by name" aria-label="Filter queues by name" value={place.value.query.get('q') ?? ''} onInput={(event) => setQuery({ q: event.currentTarget.value }, true)} />
        </header>
      ) : null}
      <table class="table queues" ref={rows}>
        <thead>
          <tr>
            <th scope="col" aria-sort={sort ? undefined : 'ascending'}><button type="button" onClick={() => setQuery({ sort: '' }, true)}>Queue</button></th>
            <th scope="col" class="md states">States</th>
            {SORTS.map((one) => (
              <th key={one.key} scope="col" class={`num${hides(one.key)}`} aria-sort={one.key === by ? 'descending' : undefined}>
                <button type="button" onClick={() => setQuery({ sort: one.key === by ? '' : one.key }, true)}>{one.label}{one.key === by ? <Icon name="down" small /> : null}</button>
              </th>
            ))}
            {sparks ? <th scope="col" class="lo md">Last hour</th> : null}
            <th scope="col" class="num"><span class="sr">Pause or resume</span></th>
          </tr>
        </thead>
        <tbody>
          {shown.map((queue) => <QueueRow key={queue.name} queue={queue} stats={stats.get(queue.name)} sparks={sparks} />)}
        </tbody>
      </table>
      {shown.length === 0 ? <Empty title={`No queue is called “${filter}”`} /> : null}
    </section>
  );
}

function QueueRow({ queue, stats, sparks }: { queue: Queue; stats: QueueStats | undefined; sparks: boolean }) {
  const counts = queue.counts ?? {};
  const cell = (key: string, n: number, look: string, state: string) => (
    <td class={`num${hides(key)}${n ? '' : ' zero'}`}>{n ? <a class={`word ${look}`} href={toQueue(queue.name, { state })}>{count(n)}</a> : '0'}</td>
  );
  const waited = oldest(queue);
  return (
    <tr data-queue={queue.name}>
      <th scope="row" class="queue-name">
        <div class="row wrap">
          <a class="open break" data-row href={toQueue(queue.name)}>{queue.name}</a>
          {queue.paused ? <span class="chip st-paused"><Icon name="pause" small />paused</span> : null}
          {queue.problem ? <span class="chip st-failed" title={queue.problem}><Icon name="warn" small />problem</span> : null}
          {queue.workers === 0 && !queue.paused ? <span class="tag" title="No worker is connected">no worker</span> : null}
        </div>
        <div class="only-small"><StateBar counts={counts} /></div>
      </th>
      <td class="md states"><StateBar counts={counts} /></td>
      {cell('active', counts.active ?? 0, 'st-active', 'active')}
      {cell('waiting', inLine(queue.counts), 'st-waiting', 'waiting,prioritized,paused')}
      {cell('delayed', (counts.delayed ?? 0) + (counts['waiting-children'] ?? 0), 'st-delayed', 'delayed,waiting-children')}
      {cell('failed', counts.failed ?? 0, 'st-failed', 'failed')}
      <td class={`num quiet${hides('in')}`}>{rate(queue.rate?.in)}</td>
      <td class={`num quiet${hides('out')}`}>{rate(queue.rate?.out)}</td>
      <td class={`num quiet${hides('wait')}`}>{duration(stats?.waitMs?.p95)}</td>
      <td class={`num quiet${hides('run')}`}>{duration(stats?.runMs?.p95)}</td>
      <td class={`num quiet${hides('oldest')}`}>{waited === null ? '–' : age(waited)}</td>
      {sparks ? <td class="lo md">{stats?.series?.completed.length ? <Spark series={stats.series} /> : null}</td> : null}
      <td class="num">
        {isOperator.value ? (
          <button type="button" class="btn ghost s square" aria-label={`${queue.paused ? 'Resume' : 'Pause'} ${queue.name}`} title={queue.paused ? 'Resume' : 'Pause'} onClick={() => void pauseOrResume(queue).then(queueList.refetch)}>
            <Icon name={queue.paused ? 'play' : 'pause'} small />
          </button>
        ) : null}
      </td>
    </tr>
  );
}

function Panels({ stats }: { stats: Stats | undefined }) {
  if (!stats) return null;
  const names = stats.queues.flatMap((queue) => queue.names.map((name) => ({ ...name, queue: queue.queue }))).sort((a, b) => b.sampled - a.sampled).slice(0, 6);
  const series = stats.queues.flatMap((queue) => (queue.series?.completed.some(Boolean) || queue.series?.failed.some(Boolean) ? [queue.series] : []));
  if (names.length === 0 && series.length === 0) return null;
  return (
    <div class="panels">
      {series.length ? <section class="card"><Lazy load={() => import('../ui/chart')} name="Throughput" props={{ series }} /></section> : null}
      {names.length ? (
        <section class="card"><header><h2>Job names</h2><span class="quiet">newest ended jobs</span></header>
          <table class="table">
            <thead><tr><th scope="col">Name</th><th scope="col" class="num">Failed</th><th scope="col" class="num">Run p50</th><th scope="col" class="num">p95</th></tr></thead>
            <tbody>
              {names.map((one) => (
                <tr key={`${one.queue}/${one.name}`}>
                  <th scope="row"><div class="pair"><a class="open" href={toQueue(one.queue, { q: `name:${one.name}` })}>{one.name}</a><span class="faint clip">{one.queue}</span></div></th>
                  <td class="num">{one.failed ? <span class="word st-failed">{count(one.failed)}</span> : <span class="faint">0</span>}<span class="faint"> / {count(one.sampled)}</span></td>
                  <td class="num">{duration(one.runMs?.p50)}</td><td class="num">{duration(one.runMs?.p95)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </section>
      ) : null}
    </div>
  );
}
