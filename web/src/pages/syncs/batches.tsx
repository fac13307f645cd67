// The run, batch by batch, and the acts of people in between; newest first.

import { useEffect, useState } from 'preact/hooks';
import { get } from '../../api/client';
import type { SyncDetail, SyncEntry } from '../../api/types';
import { refusal } from '../../acts/job';
import { count, duration } from '../../format';
import { Icon, type IconName } from '../../ui/icon';
import { Clock, Empty } from '../../ui/parts';
import { toast } from '../../ui/toasts';

const PAGE = 200;
const STRIP = 60;

/** `ok` is null where the loaded part of the log does not tell it. */
interface Line { entry: SyncEntry; title: string; batch: boolean; ok: number | null; failed: number; retrying: number; skipped: number; tookMs: number | null }

const number = (value: unknown): number | undefined => (typeof value === 'number' ? value : undefined);

/**
 * A commit names the items that did not simply go well; how many did is the difference of its counter to that of the one before.
 * `whole` = the log is loaded to its beginning.
 */
function linesOf(timeline: SyncEntry[], whole: boolean): Line[] {
  let successful: number | undefined = whole ? 0 : undefined;
  let before: number | null = null;
  const lines: Line[] = [];
  for (const entry of timeline.toReversed()) {
    const plan = entry.changed?.plan ?? {};
    const states = Object.values(entry.changed?.items ?? {});
    const is = number(plan.successful) ?? successful;
    const first = number(plan.batches);
    const again = number(plan.retry_batches ?? plan.retryBatches);
    const size = number(plan.batch_size ?? plan.batchSize);
    const commit = entry.what === 'commit';
    const title = !commit ? entry.what : first !== undefined ? `Batch ${count(first)}` : again !== undefined ? `Retry ${count(again)}` : size !== undefined ? `Batches of ${count(size)}, as the sink asked` : '';
    const of = (state: string): number => states.filter((one) => one === state).length;
    const ok = again !== undefined ? of('done') : first === undefined ? 0 : is === undefined || successful === undefined ? null : is - successful;
    // What has no title is bookkeeping: which items come again, the last progress.
    if (title) lines.push({ entry, title, batch: first !== undefined || again !== undefined, ok, failed: of('failed'), retrying: of('retrying'), skipped: of('skipped'), tookMs: before === null ? null : entry.at - before });
    if (commit) before = entry.at;
    successful = is;
  }
  return lines.toReversed();
}

const ACTS: Record<string, [IconName, string]> = {
  'sync.start': ['plus', 'started'], 'sync.pause': ['pause', 'paused'], 'sync.resume': ['play', 'resumed'], 'sync.retry-items': ['retry', 'failed items again'],
  cancel: ['stop', 'cancelled'], 'force-done': ['check', 'marked as done'], retry: ['retry', 'retried'], add: ['plus', 'added'],
};

export function Batches({ sync }: { sync: SyncDetail }) {
  const [more, setMore] = useState<{ items: SyncEntry[]; next: string | null } | null>(null);
  useEffect(() => setMore(null), [sync.id, sync.queue]);
  const all = [...new Map([...sync.timeline, ...(more?.items ?? [])].map((one) => [one.id, one])).values()].sort((a, b) => b.at - a.at || b.id.localeCompare(a.id, 'en', { numeric: true }));
  const next = more ? more.next : sync.timelineNext;
  const lines = linesOf(all, next === null);
  const load = async (): Promise<void> => {
    try {
      const page = await get<{ items: SyncEntry[]; next: string | null }>(['syncs', sync.queue, sync.id, 'timeline'], { limit: PAGE, cursor: next ?? undefined });
      setMore({ items: [...(more?.items ?? []), ...page.items], next: page.next });
    } catch (error) {
      toast(refusal(error), 'error');
    }
  };
  return (
    <section class="card batches" aria-label="Batches and acts">
      <header><h2>Batches and acts</h2><span class="quiet">newest first</span></header>
      {lines.length === 0 ? <Empty title="Nothing committed yet" /> : (
        <>
          <Strip lines={lines.filter((line) => line.batch && line.ok !== null).slice(0, STRIP)} />
          <div class="items-scroll" tabIndex={0} role="region" aria-label="Batches and acts, one by one">
            <ol class="batch-list">
              {lines.map((line) => <li key={line.entry.id}>{line.entry.what === 'commit' ? <Batch line={line} /> : <Act line={line} />}</li>)}
            </ol>
          </div>
        </>
      )}
      {next ? <footer class="sel"><button type="button" class="btn s" onClick={() => void load()}>Older</button></footer> : null}
    </section>
  );
}

function Batch({ line }: { line: Line }) {
  return (
    <>
      <span class="batch-name">{line.title}</span>
      <span class="batch-counts">
        {line.ok ? <span class="word st-completed">{count(line.ok)} ok</span> : null}
        {line.retrying ? <span class="word st-delayed">{count(line.retrying)} to push again</span> : null}
        {line.failed ? <span class="word st-failed">{count(line.failed)} failed</span> : null}
        {line.skipped ? <span class="word st-paused">{count(line.skipped)} passed over</span> : null}
      </span>
      <span class="faint nowrap batch-at"><Clock at={line.entry.at} />{line.tookMs === null ? null : <> · +{duration(line.tookMs)}</>}</span>
    </>
  );
}

function Act({ line: { entry } }: { line: Line }) {
  const [icon, word] = ACTS[entry.what] ?? ['user', entry.what];
  return (
    <>
      <span class="batch-name act"><span class="word st-active"><Icon name={icon} small />{word}</span>{entry.by ? <span class="quiet"> by {entry.by}</span> : null}</span>
      <span class="batch-counts quiet break">{entry.why}</span>
      <span class="faint nowrap batch-at"><Clock at={entry.at} /></span>
    </>
  );
}

/** One bar a batch, as high as it is large. */
function Strip({ lines }: { lines: Line[] }) {
  if (lines.length < 2) return null;
  const ok = (line: Line): number => line.ok ?? 0;
  const largest = Math.max(1, ...lines.map((line) => ok(line) + line.failed + line.skipped + line.retrying));
  const words = `The last ${count(lines.length)} batches: ${count(lines.reduce((n, line) => n + ok(line), 0))} ok, ${count(lines.reduce((n, line) => n + line.failed, 0))} failed`;
  return (
    <div class="strip" role="img" aria-label={words}>
      {lines.toReversed().map((line) => (
        <span key={line.entry.id} title={`${line.title}: ${count(ok(line))} ok${line.failed ? `, ${count(line.failed)} failed` : ''}${line.retrying ? `, ${count(line.retrying)} to push again` : ''}`}>
          {([['delayed', line.retrying], ['failed', line.failed], ['paused', line.skipped], ['completed', ok(line)]] as const).map(([look, n]) => (n > 0 ? <i key={look} class={`st-${look}`} style={{ height: `${Math.max(4, (n / largest) * 100)}%` }} /> : null))}
        </span>
      ))}
    </div>
  );
}
