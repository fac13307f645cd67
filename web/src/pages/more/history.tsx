// How queues and job names do: success, percentiles, the slowest, and the last hour by the minute.

import { get } from '../../api/client';
import type { QueueStats, Stats } from '../../api/types';
import { count, duration, percent } from '../../format';
import { countsMoved } from '../../live/queues';
import { useResource } from '../../live/resource';
import { param, toQueue } from '../../router';
import { Empty } from '../../ui/parts';
import { Lazy } from '../../ui/lazy';
import { Answer, QueuePicker, Slowest, Title } from './frame';
import { QueueLog } from './history-log';

const GAP_MS = 15_000;

export function HistoryPage() {
  const queue = param('queue');
  const stats = useResource<Stats>(`stats ${queue}`, (signal) => get(['stats'], { queue }, signal), { when: countsMoved, gapMs: GAP_MS });
  return (
    <>
      <Title text="History" sub={queue ? 'By the hour and the day, and of the newest ended jobs.' : 'Of the newest ended jobs of each queue. Choose one for its hours, days and runs.'}>
        <QueuePicker />
        {stats.data.value ? <button type="button" class="btn" onClick={() => save(stats.data.value as Stats)}>CSV</button> : null}
      </Title>
      {queue ? <QueueLog key={queue} queue={queue} /> : null}
      <Answer optional resource={stats}>{(data) => {
        const series = data.queues.flatMap((one) => (one.series?.completed.some(Boolean) || one.series?.failed.some(Boolean) ? [one.series] : []));
        const ended = data.queues.filter((one) => one.sampled > 0);
        return ended.length === 0 ? <div class="card"><Empty title="Nothing has ended yet" /></div> : (
          <>
            {series.length ? <section class="card"><Lazy load={() => import('../../ui/chart')} name="Throughput" props={{ series }} /></section> : null}
            {ended.map((one) => <QueueHistory key={one.queue} stats={one} />)}
          </>
        );
      }}</Answer>
    </>
  );
}

function QueueHistory({ stats }: { stats: QueueStats }) {
  return (
    <section class="card card-scroll" aria-label={stats.queue}>
      <header><h2><a href={toQueue(stats.queue)}>{stats.queue}</a></h2><span class="quiet">{count(stats.sampled)} jobs{stats.successRate === null ? '' : ` · ${percent(stats.successRate)} succeeded`}{stats.waitMs ? ` · wait p95 ${duration(stats.waitMs.p95)}` : ''}</span></header>
      <table class="table names">
        <thead><tr><th scope="col">Name</th><th scope="col" class="num">Jobs</th><th scope="col" class="num">Failed</th><th scope="col" class="num">Run p50</th><th scope="col" class="num">p95</th><th scope="col" class="num md">p99</th></tr></thead>
        <tbody>
          {stats.names.map((one) => (
            <tr key={one.name}><th scope="row"><a class="open break" href={toQueue(stats.queue, { q: `name:${one.name}` })}>{one.name}</a></th><td class="num">{count(one.sampled)}</td>
              <td class="num">{one.failed ? <span class="word st-failed">{count(one.failed)}</span> : <span class="faint">0</span>}</td>
              <td class="num">{duration(one.runMs?.p50)}</td><td class="num">{duration(one.runMs?.p95)}</td><td class="num md">{duration(one.runMs?.p99)}</td></tr>
          ))}
        </tbody>
      </table>
      <Slowest queue={stats.queue} runs={stats.slowest} />
    </section>
  );
}

/** A cell that a spreadsheet takes as text, not as a formula. */
const cell = (value: string | number): string => {
  const text = String(value);
  return `"${(/^[=+\-@\t\r]/.test(text) ? `'${text}` : text).replaceAll('"', '""')}"`;
};

function save(stats: Stats): void {
  const rows = [['queue', 'name', 'jobs', 'failed', 'run_p50_ms', 'run_p95_ms', 'run_p99_ms']];
  for (const queue of stats.queues) for (const one of queue.names) rows.push([queue.queue, one.name, ...[one.sampled, one.failed, one.runMs?.p50 ?? '', one.runMs?.p95 ?? '', one.runMs?.p99 ?? ''].map(String)]);
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([rows.map((row) => row.map(cell).join(',')).join('\r\n')], { type: 'text/csv' }));
  link.download = 'bullock-history.csv';
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
