// One sync: how far it is, what became of its items, its batches, and who did what to it.

import type { ComponentChildren } from 'preact';
import { useState } from 'preact/hooks';
import { get, Problem } from '../../api/client';
import type { LiveEvent, SyncAction, SyncDetail } from '../../api/types';
import { now } from '../../clock';
import { age, count, duration, percent, rate } from '../../format';
import { useResource } from '../../live/resource';
import { to, toJob, toQueue } from '../../router';
import { mayDo } from '../../session';
import { Failure } from '../../ui/failure';
import { Icon } from '../../ui/icon';
import { Menu, MenuItem } from '../../ui/menu';
import { Ago, Clock, CopyLine, Due, Empty, Note, Skeleton, StatusChip } from '../../ui/parts';
import { tries } from '../job-table';
import { actOn, SYNC_ACTS } from './acts';
import { Batches } from './batches';
import { Items } from './items';
import { counted, shareOf } from './live';

const GAP_MS = 1000;
const LOOK_MS = 5000;
const DIRECT: SyncAction[] = ['pause', 'resume', 'retry-items', 'cancel'];

/** Fresh counters at once; what they do not tell (batches, items, acts) is asked for. */
const patched = (sync: SyncDetail, event: LiveEvent): SyncDetail | undefined => counted(sync, event);

export function SyncPage({ queue, id }: { queue: string; id: string }) {
  const detail = useResource<SyncDetail>(`sync ${queue} ${id}`, (signal) => get(['syncs', queue, id], {}, signal), {
    when: (event) => event.jobId === id && event.queue === queue, patch: patched, gapMs: GAP_MS, everyMs: LOOK_MS,
  });
  const sync = detail.data.value;
  const error = detail.error.value;
  if (!sync) {
    if (error instanceof Problem && error.status === 404) return <div class="card"><Empty title={`There is no sync ${id} in ${queue}`}><p>It may have been removed, or it is a job of another kind.</p><p class="row"><a class="btn" href={to(['syncs'])}>To the syncs</a><a class="btn" href={toJob(queue, id)}>To the job</a></p></Empty></div>;
    return error ? <Failure error={error} retry={detail.refetch} /> : <Skeleton rows={10} />;
  }
  return (
    <>
      <Head sync={sync} refetch={detail.refetch} />
      <Held sync={sync} />
      <Now sync={sync} at={detail.at.value} />
      <div class="sync-grid">
        <Batches sync={sync} />
        <Items key={`${sync.queue}/${sync.id}`} sync={sync} refetch={detail.refetch} />
      </div>
      <section class="card" aria-label="The same elsewhere">
        <header><h2>The same in a terminal</h2></header>
        <div class="body"><CopyLine label="Copy the bullock command" text={`bullock sync show ${shell(sync.queue)} ${shell(sync.id)}`} /></div>
      </section>
    </>
  );
}

const shell = (word: string): string => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`);

function Head({ sync, refetch }: { sync: SyncDetail; refetch: () => void }) {
  const [busy, setBusy] = useState(false);
  const may = sync.allowedActions.filter(mayDo);
  const run = (action: SyncAction): void => {
    setBusy(true);
    void actOn(action, sync).then(() => {
      setBusy(false);
      refetch();
    });
  };
  const direct = DIRECT.filter((action) => may.includes(action));
  const more = may.filter((action) => !DIRECT.includes(action));
  return (
    <header class="page-head">
      <div class="grow">
        <nav class="crumbs" aria-label="Above"><a href={to(['syncs'])}>Syncs</a><span aria-hidden="true">/</span><a href={toQueue(sync.queue)}>{sync.queue}</a><span aria-hidden="true">/</span></nav>
        <div class="title">
          <h1>{sync.name} <span class="id-head mono">{sync.id}</span></h1>
          <StatusChip status={sync.status} />
          {sync.needsAttention ? <span class="chip st-failed"><Icon name="warn" small />needs you</span> : null}
        </div>
      </div>
      <div class="row wrap">
        {direct.map((action) => <button key={action} type="button" class="btn" disabled={busy} onClick={() => run(action)}><Icon name={SYNC_ACTS[action].icon} />{action === 'retry-items' ? `Push ${count(sync.failed)} again` : SYNC_ACTS[action].word}</button>)}
        <a class="btn" href={toJob(sync.queue, sync.id)}>Its job</a>
        {more.length ? <Menu label="More">{more.map((action) => <MenuItem key={action} icon={SYNC_ACTS[action].icon} danger={SYNC_ACTS[action].danger} onClick={() => run(action)}>{SYNC_ACTS[action].word}</MenuItem>)}</Menu> : null}
      </div>
    </header>
  );
}

function Held({ sync }: { sync: SyncDetail }) {
  const { paused, state } = sync;
  if (!paused || sync.status !== 'paused') return null;
  return (
    <Note look="paused" icon="pause">
      <div><p>{state === 'active' ? 'It stops after the batch under way' : 'Paused'}, said {paused.by} at <Clock at={paused.at} />{paused.why ? `: ${paused.why}` : ''}</p></div>
    </Note>
  );
}

/** What became of all items, on one bar. */
const PARTS = [['successful', 'ok', 'completed'], ['skipped', 'passed over', 'paused'], ['failed', 'failed', 'failed'], ['retrying', 'to push again', 'delayed']] as const;

function Now({ sync, at }: { sync: SyncDetail; at: number }) {
  const runs = sync.state === 'active';
  const share = shareOf(sync);
  const whole = Math.max(sync.total ?? 0, sync.processed + sync.retrying, 1);
  const left = whole - sync.processed - sync.retrying;
  const words = PARTS.map(([name, word]) => `${count(sync[name])} ${word}`).join(', ');
  const leaseLeftMs = sync.leaseMs === null ? null : sync.leaseMs - Math.max(0, now.value - at);
  const began = sync.startedAt ?? sync.processedOn;
  return (
    <section class="card now" aria-label="Now">
      <div class="progress-panel">
        <div class="row spread wrap">
          <p class="progress-big">{share === null ? null : <strong data-testid="percent">{percent(share)}</strong>}
            <span data-testid="counts">{sync.total === null ? `${count(sync.processed)} items, of how many the source has not said` : `${count(sync.processed)} of ${count(sync.total)}`}</span>
          </p>
          <ul class="facts-line">
            {runs && sync.rate !== null ? <li><b>{rate(sync.rate)}</b> items a second</li> : null}
            {runs && sync.etaSeconds !== null ? <li>about <b>{age(sync.etaSeconds * 1000)}</b> to go</li> : null}
            {sync.batch ? <li>batch <b>{count(sync.batch)}</b>{sync.batches === null ? null : <> of {count(sync.batches)}</>}</li> : null}
          </ul>
        </div>
        <div class="bar big" role="img" aria-label={words} title={words}>
          {PARTS.map(([name, , look]) => (sync[name] ? <i key={name} class={`st-${look}`} style={{ flex: `${sync[name]} 1 0` }} /> : null))}
          {left > 0 ? <i class="rest" style={{ flex: `${left} 1 0` }} /> : null}
        </div>
        <ul class="facts-line parts">
          {PARTS.map(([name, word, look]) => (sync[name] || name === 'successful' ? <li key={name} class={`word st-${look}`} data-part={name}><span class="dot" aria-hidden="true" /><b>{count(sync[name])}</b> {word}</li> : null))}
          {sync.duplicates ? <li class="faint">{count(sync.duplicates)} named twice</li> : null}
        </ul>
      </div>
      {sync.failedReason && sync.state !== 'completed' ? <p class="reason-block break"><Icon name="cross" />{sync.failedReason}</p> : null}
      <dl class="now-facts">
        <Fact name="Organisation">{sync.org ?? '–'}</Fact>
        {runs ? <Fact name="Worker">{sync.worker ?? (leaseLeftMs === null ? <span class="word st-failed">nobody holds it</span> : 'a Node worker')}</Fact> : null}
        {runs && leaseLeftMs !== null ? <Fact name="Lease">{leaseLeftMs > 0 ? `${age(leaseLeftMs)} left` : 'being renewed'}</Fact> : null}
        {began ? <Fact name="Began"><Ago at={began} suffix=" ago" /></Fact> : <Fact name="Waiting for">{age(now.value - sync.timestamp)}</Fact>}
        {sync.finishedOn && began ? <Fact name="Took">{duration(sync.finishedOn - began)}</Fact> : null}
        {sync.dueOn && sync.state === 'delayed' && sync.status !== 'paused' ? <Fact name="Goes on"><Due at={sync.dueOn} /></Fact> : null}
        <Fact name="Tries">{tries(sync)}</Fact>
        {sync.plan ? <Fact name="Commits">{count(sync.plan.commits)}</Fact> : null}
        {sync.plan?.batchSize ? <Fact name="Batch size">{count(sync.plan.batchSize)}, as the sink asked</Fact> : null}
        {sync.plan && sync.state !== 'completed' ? <Fact name="Goes on at">{sync.plan.exhausted ? 'the end of the source' : <code class="break">{JSON.stringify(sync.plan.cursor)}</code>}</Fact> : null}
      </dl>
    </section>
  );
}

const Fact = ({ name, children }: { name: string; children: ComponentChildren }) => <div><dt>{name}</dt><dd>{children}</dd></div>;
