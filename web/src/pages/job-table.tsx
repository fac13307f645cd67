// Jobs in rows. Rows are keyed by id: an update moves and fills them and leaves focus, scroll and checkboxes alone.

import { useLayoutEffect, useRef } from 'preact/hooks';
import { compact } from '../api/json';
import type { Job, JobAction } from '../api/types';
import { JOB_ACTS, nameOf } from '../acts/job';
import { now } from '../clock';
import { age, duration } from '../format';
import { toJob } from '../router';
import { mayDo } from '../session';
import { Icon } from '../ui/icon';
import { Ago, Due, ProgressCell, StatusWord } from '../ui/parts';
import { useRows } from '../ui/rows';
import { valueAt } from './columns';

interface Props {
  jobs: Job[];
  selected: Set<string>;
  columns: string[];
  onToggle: (id: string) => void;
  onAll: (ids: string[], on: boolean) => void;
  onAct: (action: 'retry' | 'cancel', focused: string | null) => void;
  onRowAct: (action: JobAction, job: Job) => void;
}

const CELL_CHARS_MAX = 200;
const QUICK: JobAction[] = ['cancel', 'retry', 'promote'];

export function JobTable({ jobs, selected, columns, onToggle, onAll, onAct, onRowAct }: Props) {
  const idOf = (row: HTMLElement | null): string | null => row?.closest('tr')?.dataset.job ?? null;
  const table = useRows({
    x: (row) => { const id = idOf(row); if (id) onToggle(id); },
    r: (row) => onAct('retry', idOf(row)),
    c: (row) => onAct('cancel', idOf(row)),
  });
  useKeptFocus(table, jobs);
  const all = jobs.length > 0 && jobs.every((job) => selected.has(job.id));
  return (
    <div class="card-scroll">
      <table class="table jobs-table" ref={table}>
        <thead>
          <tr>
            <th class="pick" scope="col"><input type="checkbox" aria-label="Select all on this page" checked={all} onChange={() => onAll(jobs.map((job) => job.id), !all)} /></th>
            <th scope="col">Job</th>
            <th scope="col" class="md">Status</th>
            {columns.length ? columns.map((path) => <th key={path} scope="col" class="md">{path.replace(/^data\./, '')}</th>) : <th scope="col" class="lo">Data</th>}
            <th scope="col" class="wide">Progress and outcome</th>
            <th scope="col" class="num lo">Tries</th>
            <th scope="col" class="num md">Added</th>
            <th scope="col" class="num md">Ran</th>
            <th scope="col" class="lo">Worker</th>
            <th scope="col" class="quick"><span class="sr">Acts</span></th>
          </tr>
        </thead>
        <tbody>
          {jobs.map((job) => <Row key={job.id} job={job} picked={selected.has(job.id)} columns={columns} onToggle={onToggle} onRowAct={onRowAct} />)}
        </tbody>
      </table>
    </div>
  );
}

/** The row that has the focus may leave the list: then its neighbour gets it, not the top of the page. */
function useKeptFocus(table: { current: HTMLTableElement | null }, jobs: Job[]): void {
  const last = useRef<{ at: number; kind: string } | null>(null);
  useLayoutEffect(() => {
    const element = table.current;
    if (!element) return;
    const remember = (event: FocusEvent): void => {
      const target = event.target as HTMLElement;
      const row = target.closest('tbody tr');
      const at = row ? [...element.querySelectorAll('tbody tr')].indexOf(row) : -1;
      last.current = at < 0 ? null : { at, kind: target instanceof HTMLInputElement ? 'input' : 'a[data-row]' };
    };
    const forget = (event: FocusEvent): void => {
      // Without a target the element itself is going: that is the case to mend.
      if (event.relatedTarget) last.current = null;
    };
    element.addEventListener('focusin', remember);
    element.addEventListener('focusout', forget);
    return () => {
      element.removeEventListener('focusin', remember);
      element.removeEventListener('focusout', forget);
    };
  }, []);
  useLayoutEffect(() => {
    if (!last.current || document.activeElement !== document.body) return;
    const rows = table.current?.querySelectorAll<HTMLElement>('tbody tr') ?? [];
    const row = rows[Math.min(last.current.at, rows.length - 1)];
    row?.querySelector<HTMLElement>(last.current.kind)?.focus({ preventScroll: true });
  }, [jobs]);
}

interface RowProps { job: Job; picked: boolean; columns: string[]; onToggle: (id: string) => void; onRowAct: (action: JobAction, job: Job) => void }

function Row({ job, picked, columns, onToggle, onRowAct }: RowProps) {
  const quick = QUICK.find((action) => job.allowedActions.includes(action) && mayDo(action));
  return (
    <tr data-job={job.id} aria-selected={picked}>
      <td class="pick"><input type="checkbox" aria-label={`Select ${nameOf(job)}`} checked={picked} onChange={() => onToggle(job.id)} /></td>
      <th scope="row" class="job-name">
        <div class="pair">
          <a class="open" data-row href={toJob(job.queue, job.id)}><span class="clip">{job.name || '(no name)'}</span></a>
          <span class="faint mono clip id" title={job.id}>{job.id}</span>
        </div>
        <div class="only-small"><StatusWord status={job.status} /></div>
      </th>
      <td class="md"><StatusWord status={job.status} />{job.needsAttention && job.status !== 'stalled' && job.status !== 'failed' ? <span class="attention" title="Needs a person: its tries are spent, or it stalls again and again"><Icon name="warn" small /><span class="sr">needs a person</span></span> : null}</td>
      {columns.length
        ? columns.map((path) => <td key={path} class="md clip cell">{cell(valueAt(job, path))}</td>)
        : <td class="lo cell"><Preview value={job.data} /></td>}
      <td class="wide"><Outcome job={job} /></td>
      <td class="num lo quiet">{tries(job)}</td>
      <td class="num md quiet"><Ago at={job.timestamp} /></td>
      <td class="num md quiet">{ran(job)}</td>
      <td class="lo quiet clip">{job.state === 'active' ? (job.worker ?? (job.leaseMs === null ? '–' : 'Node')) : '–'}</td>
      <td class="quick">
        {quick ? <button type="button" class="btn ghost s" onClick={() => onRowAct(quick, job)} aria-label={`${JOB_ACTS[quick].word} ${nameOf(job)}`}><Icon name={JOB_ACTS[quick].icon} small />{JOB_ACTS[quick].word}</button> : null}
      </td>
    </tr>
  );
}

function cell(value: unknown): string {
  return value === undefined ? '–' : compact(value).slice(0, CELL_CHARS_MAX);
}

/** The first plain fields of the data: enough to tell jobs apart. */
function Preview({ value }: { value: unknown }) {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return <span class="clip kv-inline">{compact(value).slice(0, CELL_CHARS_MAX)}</span>;
  const plain = Object.entries(value).filter(([, inner]) => typeof inner !== 'object' || inner === null).slice(0, 3);
  const shown = plain.length ? plain : Object.entries(value).slice(0, 1);
  return <div class="clip kv-inline">{shown.map(([name, inner], i) => <span key={name} class={i ? 'next' : ''}><b>{name}</b> {compact(inner).slice(0, 60)}</span>)}</div>;
}

/** What is most worth knowing of a job in its state. */
function Outcome({ job }: { job: Job }) {
  switch (job.status) {
    case 'running': return <ProgressCell progress={job.progress} label={`Progress of ${nameOf(job)}`} />;
    case 'stalled': return <span class="word st-failed clip">{job.leaseMs === null ? 'no live lease' : 'no heartbeat'}</span>;
    case 'failed': case 'cancelled': return <span class="reason clip" title={job.failedReason ?? ''}>{firstLine(job.failedReason) || job.reason || '–'}</span>;
    case 'retrying': return <span class="clip"><span class="quiet"><Due at={job.dueOn} />{job.failedReason ? ' · ' : ''}</span><span class="reason">{firstLine(job.failedReason)}</span></span>;
    case 'scheduled': return <span class="quiet"><Due at={job.dueOn} /></span>;
    case 'completed': case 'partial': return job.status === 'partial' ? <ProgressCell progress={job.progress} label={`Progress of ${nameOf(job)}`} /> : <span class="clip quiet">{job.returnvalue === null ? '' : compact(job.returnvalue).slice(0, CELL_CHARS_MAX)}</span>;
    default: return <span class="faint">{job.state === 'waiting-children' ? 'waits for its children' : job.state === 'paused' ? 'the queue is paused' : job.priority ? `priority ${job.priority}` : ''}</span>;
  }
}

const firstLine = (text: string | null): string => text?.split('\n', 1)[0] ?? '';

/** The try that runs, or the last one, of those that its producer allows. */
export function tries(job: Pick<Job, 'state' | 'attempts' | 'attemptsMade'>): string {
  const made = Math.max(job.attemptsMade, 0);
  const at = job.state === 'active' ? made + 1 : job.state === 'completed' ? Math.max(made, 1) : made;
  return at === 0 ? '–' : `${Math.min(at, Math.max(job.attempts, made, 1))} / ${job.attempts}`;
}

function ran(job: Job): string {
  if (!job.processedOn) return '–';
  if (job.state === 'active') return age(now.value - job.processedOn);
  return job.finishedOn ? duration(job.finishedOn - job.processedOn) : '–';
}
