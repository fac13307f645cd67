// Small parts: times, chips, state words, bars, copying, empty places.

import type { ComponentChildren } from 'preact';
import { clockSkewMs } from '../api/client';
import type { JobState, JobStatus } from '../api/types';
import { now } from '../clock';
import { age, clock, count, iso, percent, plural } from '../format';
import { Icon, type IconName } from './icon';
import { toast } from './toasts';

const STATE_ICONS: Record<JobState, IconName> = {
  waiting: 'circle', prioritized: 'up', delayed: 'clock', active: 'play', 'waiting-children': 'tree',
  completed: 'check', failed: 'cross', paused: 'pause',
};

/** Order of tabs, bars and menus. */
export const STATES: JobState[] = ['active', 'waiting', 'prioritized', 'delayed', 'waiting-children', 'paused', 'failed', 'completed'];
export const STATE_NAMES: Record<JobState, string> = {
  active: 'Active', waiting: 'Waiting', prioritized: 'Prioritized', delayed: 'Delayed', 'waiting-children': 'Waiting children',
  paused: 'Paused', failed: 'Failed', completed: 'Completed',
};

const STATUS_LOOKS: Record<JobStatus | 'paused', [IconName, JobState]> = {
  queued: ['circle', 'waiting'], scheduled: ['clock', 'delayed'], running: ['play', 'active'], retrying: ['retry', 'delayed'],
  completed: ['check', 'completed'], partial: ['half', 'delayed'], failed: ['cross', 'failed'], cancelled: ['stop', 'paused'],
  stalled: ['warn', 'failed'], stuck: ['warn', 'paused'], paused: ['pause', 'paused'],
};

export function StateIcon({ state }: { state: JobState }) {
  return <span class={`word st-${state}`}><Icon name={STATE_ICONS[state] ?? 'circle'} small /></span>;
}

/** Our word for how a job does: icon, word and colour. */
export function StatusChip({ status }: { status: string }) {
  const [icon, look] = STATUS_LOOKS[status as JobStatus] ?? ['info', 'paused'];
  return <span class={`chip st-${look}`} data-status={status}><Icon name={icon} small />{status}</span>;
}

/** The same without a background, for cells. */
export function StatusWord({ status }: { status: string }) {
  const [icon, look] = STATUS_LOOKS[status as JobStatus] ?? ['info', 'paused'];
  return <span class={`word st-${look}`} data-status={status}><Icon name={icon} small />{status}</span>;
}

/** "4 m ago", with the full time in the title. */
export function Ago({ at, suffix = '' }: { at: number | null | undefined; suffix?: string }) {
  if (!at) return <>–</>;
  return <time dateTime={iso(at)} title={iso(at)}>{age(now.value - at)}{suffix}</time>;
}

/** "in 4 m", or "due" when it is past. */
export function Due({ at }: { at: number | null | undefined }) {
  if (!at) return <>–</>;
  const left = at - now.value;
  return <time dateTime={iso(at)} title={iso(at)}>{left > 0 ? `in ${age(left)}` : 'due'}</time>;
}

export function Clock({ at }: { at: number }) {
  return <time dateTime={iso(at)} title={iso(at)}>{clock(at - clockSkewMs.value)}</time>;
}

/** How a queue's unfinished and failed jobs are shared out. Completed ones would drown the rest. */
export function StateBar({ counts }: { counts: Partial<Record<JobState, number>> }) {
  const parts = STATES.filter((state) => state !== 'completed' && (counts[state] ?? 0) > 0);
  const words = parts.map((state) => `${count(counts[state] ?? 0)} ${STATE_NAMES[state].toLowerCase()}`).join(', ') || 'empty';
  return (
    <div class="bar" role="img" aria-label={words} title={words}>
      {parts.map((state) => <i key={state} class={`st-${state}`} style={{ flex: `${counts[state] ?? 0} 1 0` }} />)}
    </div>
  );
}

export interface Counts { total: number; processed: number; successful?: number; failed?: number }

/** Share of one, and counts where the job reports them. */
export function progressOf(progress: unknown): { share: number | null; counts: Counts | null; message: string } {
  const number = (value: unknown): number | undefined => (typeof value === 'number' && Number.isFinite(value) ? value : undefined);
  if (typeof progress === 'number') return { share: clamp(progress / 100), counts: null, message: '' };
  if (typeof progress !== 'object' || progress === null) return { share: null, counts: null, message: typeof progress === 'string' ? progress : '' };
  const p = progress as Record<string, unknown>;
  const total = number(p.total);
  const processed = number(p.processed) ?? number(p.done) ?? number(p.current);
  const percentage = number(p.progress) ?? number(p.percent) ?? number(p.percentage);
  const counts = total !== undefined && processed !== undefined ? { total, processed, successful: number(p.successful), failed: number(p.failed) } : null;
  const share = counts && counts.total > 0 ? clamp(counts.processed / counts.total) : percentage === undefined ? null : clamp(percentage / 100);
  return { share, counts, message: typeof p.message === 'string' ? p.message : '' };
}

const clamp = (share: number): number => Math.min(1, Math.max(0, share));

/** Bar with percent, counts and failures; for a cell. */
export function ProgressCell({ progress, label }: { progress: unknown; label: string }) {
  const { share, counts, message } = progressOf(progress);
  if (share === null) return message ? <span class="quiet clip">{message}</span> : <span class="faint">no progress yet</span>;
  return (
    <div class="cell-progress">
      <progress value={share} max={1} aria-label={label} />
      <span class="quiet counts">
        {counts ? <>{count(counts.processed)}<span class="faint"> / {count(counts.total)}</span></> : percent(share)}
        {counts?.failed ? <span class="st-failed failures">{count(counts.failed)} failed</span> : null}
      </span>
    </div>
  );
}

export function CopyLine({ text, label }: { text: string; label: string }) {
  return (
    <div class="copy">
      <code>{text}</code>
      <CopyButton text={text} label={label} />
    </div>
  );
}

export function CopyButton({ text, label }: { text: string; label: string }) {
  const copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(text);
      toast('Copied');
    } catch {
      toast('The browser does not let this page copy', 'error');
    }
  };
  return <button type="button" class="btn ghost s square" aria-label={label} title={label} onClick={copy}><Icon name="copy" small /></button>;
}

export function Empty({ title, children }: { title: string; children?: ComponentChildren }) {
  return <div class="empty"><strong>{title}</strong>{children}</div>;
}

export function Note({ look, icon = 'warn', children }: { look: JobState; icon?: IconName; children: ComponentChildren }) {
  return <div class={`note st-${look}`}><Icon name={icon} />{children}</div>;
}

export function Skeleton({ rows = 5 }: { rows?: number }) {
  return (
    <div class="card"><div class="body stack" aria-busy="true"><span class="sr">Loading</span>
      {Array.from({ length: rows }, (_, i) => <span key={i} class="skeleton" style={{ width: `${92 - ((i * 23) % 50)}%` }} />)}
    </div></div>
  );
}

export const jobsWord = (n: number): string => plural(n, 'job');
