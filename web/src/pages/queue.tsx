// One queue: how it does, and its jobs by state.

import { get } from '../api/client';
import type { JobState, QueueDetail } from '../api/types';
import { addJob, clean, drain, obliterate, pauseOrResume } from '../acts/queue';
import { now } from '../clock';
import { age, count, duration, plural, rate } from '../format';
import { isOld, patched } from '../live/queues';
import { useResource } from '../live/resource';
import { go, param, setQuery, to } from '../router';
import { isAdmin, isOperator } from '../session';
import { Failure } from '../ui/failure';
import { Icon } from '../ui/icon';
import { Menu, MenuItem } from '../ui/menu';
import { Note, Skeleton, STATE_NAMES, STATES, StateBar } from '../ui/parts';
import { JobsCard } from './jobs';

const GAP_MS = 2000;
const SETTLE_MS = 12_000;

export function QueuePage({ queue }: { queue: string }) {
  const detail = useResource<QueueDetail>(`queue ${queue}`, (signal) => get(['queues', queue], {}, signal), {
    when: isOld, patch: patched, gapMs: GAP_MS, settleMs: SETTLE_MS,
  });
  const shown = detail.data.value;
  const error = detail.error.value;
  if (!shown) return error ? <Failure error={error} retry={detail.refetch} /> : <Skeleton rows={10} />;
  return (
    <>
      <Head queue={shown} refetch={detail.refetch} at={detail.at.value} />
      {shown.problem ? <Note look="failed"><p class="break">{shown.problem}</p></Note> : null}
      {shown.dialect === 'mixed' ? <Note look="delayed"><p>Bull and BullMQ both write to this queue. It can be looked at, not changed.</p></Note> : null}
      <JobsCard queue={queue} counts={shown.counts ?? {}} tabs={<Tabs queue={shown} />} />
    </>
  );
}

function Head({ queue, refetch, at }: { queue: QueueDetail; refetch: () => void; at: number }) {
  const counts = queue.counts ?? {};
  const waiting = (counts.waiting ?? 0) + (counts.prioritized ?? 0) + (counts.paused ?? 0);
  const waitedMs = waiting > 0 && queue.oldestWaitingMs !== null ? queue.oldestWaitingMs + Math.max(0, now.value - at) : null;
  const { latency } = queue;
  return (
    <header class="page-head">
      <div class="grow">
        <nav class="crumbs" aria-label="Above"><a href={to([])}>Overview</a><span aria-hidden="true">/</span></nav>
        <div class="title">
          <h1>{queue.name}</h1>
          {queue.dialect ? <span class="tag" title={queue.layout}>{queue.dialect === 'bullmq' ? (queue.version?.replace(':', ' ') ?? 'bullmq') : queue.dialect}</span> : null}
          {queue.paused ? <span class="chip st-paused"><Icon name="pause" small />paused</span> : null}
        </div>
        <ul class="sub facts-line">
          <li title={queue.workerNames.join(', ')}>{queue.workers === null ? 'workers unknown' : queue.workers === 0 ? <span class="word st-failed"><Icon name="warn" small />no worker</span> : plural(queue.workers, 'worker')}</li>
          <li>in <b>{rate(queue.rate?.in)}</b>/s</li>
          <li>out <b>{rate(queue.rate?.out)}</b>/s</li>
          {waitedMs !== null ? <li>oldest waiting <b>{age(waitedMs)}</b></li> : null}
          {latency?.waitMs ? <li title={`of the newest ${count(latency.sampled)} ended jobs; p50 ${duration(latency.waitMs.p50)}, p99 ${duration(latency.waitMs.p99)}`}>wait p95 <b>{duration(latency.waitMs.p95)}</b></li> : null}
          {latency?.runMs ? <li title={`of the newest ${count(latency.sampled)} ended jobs; p50 ${duration(latency.runMs.p50)}, p99 ${duration(latency.runMs.p99)}`}>run p95 <b>{duration(latency.runMs.p95)}</b></li> : null}
          {queue.schedulers ? <li><a class="link" href={to(['schedulers'], { queue: queue.name })}>{plural(queue.schedulers, 'scheduler')}</a></li> : null}
        </ul>
      </div>
      {isOperator.value && !queue.readOnly ? (
        <div class="row wrap">
          <button type="button" class="btn" onClick={() => void pauseOrResume(queue).then(refetch)}><Icon name={queue.paused ? 'play' : 'pause'} />{queue.paused ? 'Resume' : 'Pause'}</button>
          <button type="button" class="btn" onClick={() => addJob(queue.name)}><Icon name="plus" />Add job</button>
          {isAdmin.value ? (
            <Menu label="More acts on the queue" icon="more" square>
              <MenuItem icon="trash" danger onClick={() => void drain(queue.name, waiting)}>Drain what waits</MenuItem>
              <MenuItem icon="trash" danger onClick={() => void clean(queue.name, 'failed', counts.failed ?? 0)}>Remove failed jobs</MenuItem>
              <MenuItem icon="trash" danger onClick={() => void clean(queue.name, 'completed', counts.completed ?? 0)}>Remove completed jobs</MenuItem>
              <MenuItem icon="warn" danger onClick={() => void obliterate(queue.name).then((gone) => { if (gone) go(to([])); })}>Obliterate the queue</MenuItem>
            </Menu>
          ) : null}
        </div>
      ) : null}
    </header>
  );
}

function Tabs({ queue }: { queue: QueueDetail }) {
  const chosen = param('state').split(',').filter(Boolean);
  const counts = queue.counts ?? {};
  const shown = STATES.filter((state) => state in counts || chosen.includes(state)).filter((state) => state !== 'paused' || (counts.paused ?? 0) > 0 || chosen.includes('paused'));
  const total = Object.values(counts).reduce((a, b) => a + b, 0);
  const tab = (state: JobState | '', name: string, n: number) => (
    <a
      key={state} class={state ? `st-${state}` : ''} aria-current={(state ? chosen.includes(state) : chosen.length === 0) ? 'page' : undefined}
      href={to(['queues', queue.name], { state, q: param('q'), cols: param('cols') })}
    >
      {state ? <span class="dot" aria-hidden="true" /> : null}{name}<span class="n">{count(n)}</span>
    </a>
  );
  return (
    <>
      <div class="thin-bar"><StateBar counts={counts} /></div>
      <nav class="tabs" aria-label="States">
        {tab('', 'All', total)}
        {shown.map((state) => tab(state, STATE_NAMES[state], counts[state] ?? 0))}
      </nav>
    </>
  );
}

/** Forgets where in the list one was: another filter has other pages. */
export const setFilter = (change: Record<string, string>): void => setQuery({ ...change, cursor: '', page: '' }, true);
