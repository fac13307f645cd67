// One job: what it does now, since when, on which worker, and what happened before.

import { useEffect, useState } from 'preact/hooks';
import { get, Problem } from '../api/client';
import type { JobAction, JobDetail, LiveEvent } from '../api/types';
import { act, JOB_ACTS } from '../acts/job';
import { now } from '../clock';
import { age, count, duration, plural } from '../format';
import { useResource } from '../live/resource';
import { go, param, place, setQuery, to, toJob, toQueue, toSync } from '../router';
import { mayDo } from '../session';
import { useKeys } from '../shell/keyboard';
import { Failure } from '../ui/failure';
import { Icon } from '../ui/icon';
import { JsonView } from '../ui/json-view';
import { Menu, MenuItem } from '../ui/menu';
import { CopyButton, CopyLine, Due, Empty, Note, Skeleton, StatusChip } from '../ui/parts';
import { ProgressPanel } from './job-progress';
import { Attempts, AuditLines, Children, Timeline } from './job-parts';
import { Logs } from './job-logs';
import { tries } from './job-table';

const ALL = 'logs,attempts,children,audit';
const GAP_MS = 500;
/** Bull does not tell of attempts that fail and are tried again, nor of beats: a running job is looked at now and then. */
const LOOK_MS = 5000;
const DIRECT: JobAction[] = ['cancel', 'retry', 'promote'];

function patched(job: JobDetail, event: LiveEvent): JobDetail | undefined {
  return event.type === 'job.progress' && event.jobId === job.id && job.state === 'active' ? { ...job, progress: event.data.progress } : undefined;
}

export function JobPage({ queue, id }: { queue: string; id: string }) {
  const running = useState({ is: false })[0];
  const detail = useResource<JobDetail>(`job ${queue} ${id}`, (signal) => get(['queues', queue, 'jobs', id], { include: ALL }, signal), {
    when: (event) => event.type !== 'job.progress', patch: patched, gapMs: GAP_MS, everyMs: LOOK_MS,
  });
  const job = detail.data.value;
  const error = detail.error.value;
  running.is = job?.state === 'active';
  const gone = error instanceof Problem && error.status === 404;
  if (!job) return error ? gone ? <Gone queue={queue} id={id} /> : <Failure error={error} retry={detail.refetch} /> : <Skeleton rows={10} />;
  return (
    <>
      {gone ? <Note look="paused" icon="info"><p>This job is not in Redis any more: it was removed, or its queue keeps only the newest. This is how it was last seen.</p></Note> : null}
      <JobHead job={job} refetch={detail.refetch} gone={gone} />
      <Facts job={job} at={detail.at.value} />
      <div class="job-grid">
        <Timeline job={job} />
        <Details job={job} />
      </div>
      <section class="card" aria-label="The same elsewhere">
        <header><h2>The same in a terminal</h2></header>
        <div class="body stack tight">
          <CopyLine label="Copy the bullock command" text={`bullock job show ${shell(job.queue)} ${shell(job.id)}`} />
          {job.keys.slice(0, 4).map((line) => <CopyLine key={line} label="Copy the redis-cli command" text={`redis-cli ${line}`} />)}
        </div>
      </section>
    </>
  );
}

/** Quoted for a shell where it has to be. */
const shell = (word: string): string => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`);

function Gone({ queue, id }: { queue: string; id: string }) {
  return (
    <div class="card"><Empty title={`There is no job ${id} in ${queue}`}>
      <p>It may have been removed when it was done: producers set how many ended jobs a queue keeps.</p>
      <p class="row"><a class="btn" href={toQueue(queue)}>To the queue</a><a class="btn" href={to(['audit'], { queue, job: id })}>Its audit entries</a></p>
    </Empty></div>
  );
}

/** Only the engine of syncs tells of batches and of items that come again. */
const isSync = ({ progress }: JobDetail): boolean => typeof progress === 'object' && progress !== null && 'batches' in progress && 'retrying' in progress;

function JobHead({ job, refetch, gone }: { job: JobDetail; refetch: () => void; gone: boolean }) {
  const may = gone ? [] : job.allowedActions.filter(mayDo);
  const run = (action: JobAction): void => {
    void act(action, job).then((done) => {
      if (done && action === 'remove') go(toQueue(job.queue));
      else refetch();
    });
  };
  useKeys({
    r: () => { if (may.includes('retry')) run('retry'); },
    c: () => { if (may.includes('cancel')) run('cancel'); },
  });
  const direct = DIRECT.filter((action) => may.includes(action));
  const more = may.filter((action) => !DIRECT.includes(action));
  const order = Object.keys(JOB_ACTS);
  more.sort((a, b) => order.indexOf(a) - order.indexOf(b));
  return (
    <header class="page-head">
      <div class="grow">
        <nav class="crumbs" aria-label="Above">
          <a href={to([])}>Overview</a><span aria-hidden="true">/</span><a href={toQueue(job.queue)}>{job.queue}</a><span aria-hidden="true">/</span>
        </nav>
        <div class="title">
          <h1>{job.name || '(no name)'} <span class="id-head mono">{job.id}</span></h1>
          <StatusChip status={gone ? 'removed' : job.status} />
          {job.needsAttention && job.status !== 'failed' ? <span class="chip st-failed"><Icon name="warn" small />needs you</span> : null}
        </div>
      </div>
      <div class="row wrap">
        {direct.map((action, i) => <button key={action} type="button" class={`btn${i === 0 ? ' solid' : ''}`} onClick={() => run(action)}><Icon name={JOB_ACTS[action].icon} />{JOB_ACTS[action].word}</button>)}
        {isSync(job) ? <a class="btn" href={toSync(job.queue, job.id)}>Its sync</a> : null}
        <CopyButton label="Copy the link to this job" text={location.origin + toJob(job.queue, job.id)} />
        {more.length ? (
          <Menu label="More">
            {more.map((action) => <MenuItem key={action} icon={JOB_ACTS[action].icon} danger={JOB_ACTS[action].danger} onClick={() => run(action)}>{JOB_ACTS[action].word}</MenuItem>)}
          </Menu>
        ) : null}
      </div>
    </header>
  );
}

function Facts({ job, at }: { job: JobDetail; at: number }) {
  const leaseLeftMs = job.leaseMs === null ? null : job.leaseMs - Math.max(0, now.value - at);
  return (
    <section class="card now" aria-label="Now">
      {job.state === 'active' || job.status === 'partial' || (job.state === 'completed' && typeof job.progress === 'object' && job.progress !== null) ? <ProgressPanel job={job} /> : null}
      {job.failedReason && job.state !== 'completed' ? <p class="reason-block break"><Icon name="cross" />{job.failedReason}</p> : null}
      <dl class="now-facts">
        {job.state === 'active' ? <Fact name="Worker">{job.worker ?? (job.leaseMs === null ? <span class="word st-failed">nobody holds it</span> : 'a Node worker')}</Fact> : null}
        {job.state === 'active' && leaseLeftMs !== null ? <Fact name="Lease"><span title="Renewed by the worker as long as it works on the job">{leaseLeftMs > 0 ? `${age(leaseLeftMs)} left` : 'being renewed'}</span></Fact> : null}
        {job.state === 'active' && job.processedOn ? <Fact name="Running for">{age(now.value - job.processedOn)}</Fact> : null}
        {job.dueOn && job.state === 'delayed' ? <Fact name="Runs"><Due at={job.dueOn} /></Fact> : null}
        {job.finishedOn && job.processedOn ? <Fact name="Ran">{duration(job.finishedOn - job.processedOn)}</Fact> : null}
        {job.processedOn ? <Fact name="Waited">{duration(job.processedOn - job.timestamp)}</Fact> : <Fact name="Waiting for">{age(now.value - job.timestamp)}</Fact>}
        <Fact name="Tries">{tries(job)}</Fact>
        {job.priority ? <Fact name="Priority">{count(job.priority)}</Fact> : null}
        {job.reason ? <Fact name="Reason class"><code>{job.reason}</code></Fact> : null}
        {job.crashes ? <Fact name="Crashes">{count(job.crashes)} of its worker</Fact> : null}
        {job.stalledCounter ? <Fact name="Stalls">{count(job.stalledCounter)}</Fact> : null}
        {job.schedulerId ? <Fact name="Scheduler"><a class="link break" href={to(['schedulers'], { queue: job.queue })}>{job.schedulerId}</a></Fact> : null}
        {job.deduplicationId ? <Fact name="Deduplication"><code class="break">{job.deduplicationId}</code></Fact> : null}
        {job.parentKey ? <Fact name="Parent"><ParentLink job={job} /></Fact> : null}
      </dl>
    </section>
  );
}

const Fact = ({ name, children }: { name: string; children: preact.ComponentChildren }) => <div><dt>{name}</dt><dd>{children}</dd></div>;

/** A parent's key is prefix:queue:id; a queue of BullMQ has no colon in its name, an id may. */
function ParentLink({ job }: { job: JobDetail }) {
  const [, queue, ...id] = (job.parentKey ?? '').split(':');
  return queue && id.length ? <a class="link break" href={toJob(queue, id.join(':'))}>{queue} {id.join(':')}</a> : <code class="break">{job.parentKey}</code>;
}

const TABS = ['data', 'result', 'error', 'logs', 'attempts', 'children', 'options', 'audit'] as const;
type Tab = (typeof TABS)[number];

function Details({ job }: { job: JobDetail }) {
  const has: Record<Tab, boolean> = {
    data: true, result: job.state === 'completed' || job.returnvalue !== null, error: job.failedReason !== null || job.stacktrace.length > 0, logs: true,
    attempts: (job.attemptHistory?.length ?? 0) > 0, children: (job.children?.total ?? 0) > 0, options: true, audit: (job.audit?.length ?? 0) > 0,
  };
  const asked = param('tab') as Tab;
  const best: Tab = job.state === 'failed' && has.error ? 'error' : job.state === 'active' && (job.logs?.total ?? 0) > 0 ? 'logs' : 'data';
  const [first] = useState(best);
  const tab = TABS.includes(asked) && has[asked] ? asked : has[first] ? first : 'data';
  const n: Partial<Record<Tab, number>> = { logs: job.state === 'active' ? undefined : job.logs?.total, attempts: job.attemptHistory?.length, children: job.children?.total, audit: job.audit?.length };
  useEffect(() => {
    if (asked && !has[asked]) setQuery({ tab: '' }, true);
  }, [asked]);
  return (
    <section class="card details" aria-label="Details">
      <nav class="tabs" aria-label="Details">
        {TABS.filter((one) => has[one]).map((one) => (
          <a key={one} aria-current={one === tab ? 'page' : undefined} href={to(place.value.path, { tab: one })}
            onClick={(event) => { if (!event.metaKey && !event.ctrlKey) { event.preventDefault(); setQuery({ tab: one }, true); } }}>
            {one[0]?.toUpperCase()}{one.slice(1)}{n[one] ? <span class="n">{count(n[one] ?? 0)}</span> : null}
          </a>
        ))}
      </nav>
      <div class="body"><TabBody job={job} tab={tab} /></div>
    </section>
  );
}

function TabBody({ job, tab }: { job: JobDetail; tab: Tab }) {
  switch (tab) {
    case 'result': return <JsonView value={job.returnvalue} label="result" />;
    case 'error': return <Stack job={job} />;
    case 'logs': return <Logs queue={job.queue} id={job.id} total={job.logs?.total ?? 0} following={job.state === 'active'} />;
    case 'attempts': return <Attempts job={job} />;
    case 'children': return <Children job={job} />;
    case 'options': return <JsonView value={job.opts} label="options" />;
    case 'audit': return <AuditLines entries={job.audit ?? []} />;
    default: return job.rawData === null ? <JsonView value={job.data} label="data" /> : (
      <div class="stack tight"><Note look="delayed"><p>This data is not JSON. It is shown as it stands in Redis.</p></Note><pre class="code">{job.rawData}</pre></div>
    );
  }
}

function Stack({ job }: { job: JobDetail }) {
  const stacks = job.stacktrace.filter(Boolean);
  return (
    <div class="stack">
      <div class="row spread"><span class="faint">{stacks.length ? plural(stacks.length, 'stack trace') : 'No stack trace was left.'}</span><CopyButton label="Copy the error" text={[job.failedReason ?? '', ...stacks].join('\n\n')} /></div>
      {job.state === 'failed' ? null : <p class="reason break">{job.failedReason}</p>}
      {[...stacks].reverse().map((text, i) => (
        <figure key={i}>{stacks.length > 1 ? <figcaption class="faint">{i === 0 ? 'newest' : `${stacks.length - i} of ${stacks.length}`}</figcaption> : null}<pre class="code">{text}</pre></figure>
      ))}
    </div>
  );
}
