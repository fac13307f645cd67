// Parts of the job page: timeline, attempts, children, audit lines.

import type { ComponentChildren } from 'preact';
import type { AuditEntry, JobDetail, JobState } from '../api/types';
import { duration } from '../format';
import { toJob } from '../router';
import { Icon, type IconName } from '../ui/icon';
import { Clock } from '../ui/parts';

interface Moment { at: number; look: JobState; icon: IconName; text: ComponentChildren; more?: ComponentChildren }

/** A failed try and the job's end are one moment if they are no further apart. */
const SAME_MS = 50;

const ACT_LOOKS: Record<string, [IconName, JobState]> = {
  retry: ['retry', 'waiting'], promote: ['play', 'waiting'], cancel: ['stop', 'failed'], kill: ['stop', 'failed'],
  'force-done': ['check', 'completed'], remove: ['trash', 'failed'], duplicate: ['copy', 'waiting'], add: ['plus', 'waiting'],
};

function momentsOf(job: JobDetail): Moment[] {
  const moments: Moment[] = [{ at: job.timestamp, look: 'waiting', icon: 'plus', text: 'added', more: job.delay ? `to run after ${duration(job.delay)}` : undefined }];
  const tries = job.attemptHistory ?? [];
  const last = job.state === 'failed' ? tries.find((one) => Math.abs(one.at - (job.finishedOn ?? 0)) < SAME_MS) : undefined;
  for (const one of tries) {
    moments.push({
      at: one.at, look: 'failed', icon: 'cross', text: <>{one === last ? 'failed for good' : `try ${one.attempt} failed`}{one.ranMs === null ? '' : ` after ${duration(one.ranMs)}`}</>,
      more: <><span class="reason">{one.message.split('\n', 1)[0]}</span>{one.worker ? <span class="faint"> on {one.worker}</span> : null}</>,
    });
  }
  for (const entry of job.audit ?? []) {
    if (entry.what === 'add') continue;
    const [icon, look] = ACT_LOOKS[entry.what] ?? ['user', 'paused'];
    moments.push({ at: entry.at, look, icon, text: <>{entry.what} by {entry.by}</>, more: entry.why });
  }
  if (job.processedOn) moments.push({ at: job.processedOn, look: 'active', icon: 'play', text: tries.length > (last ? 1 : 0) ? 'last try began' : 'began', more: job.worker ?? job.processedBy ?? undefined });
  if (job.finishedOn && !last) {
    const failed = job.state === 'failed';
    moments.push({ at: job.finishedOn, look: failed ? 'failed' : 'completed', icon: failed ? 'cross' : 'check', text: failed ? 'failed for good' : 'completed', more: failed ? job.failedReason?.split('\n', 1)[0] : undefined });
  }
  if (job.state === 'delayed' && job.dueOn) moments.push({ at: job.dueOn, look: 'delayed', icon: 'clock', text: 'to run' });
  return moments.sort((a, b) => a.at - b.at);
}

export function Timeline({ job }: { job: JobDetail }) {
  const moments = momentsOf(job);
  return (
    <section class="card" aria-label="Timeline">
      <header><h2>Timeline</h2></header>
      <ol class="timeline">
        {moments.map((moment, i) => {
          const before = moments[i - 1];
          return (
            <li key={i} class={`st-${moment.look}`}>
              <span class="mark"><Icon name={moment.icon} small /></span>
              <div class="pair">
                <span><b>{moment.text}</b></span>
                {moment.more ? <span class="quiet break">{moment.more}</span> : null}
                <span class="faint"><Clock at={moment.at} />{before ? ` · +${duration(moment.at - before.at)}` : ''}</span>
              </div>
            </li>
          );
        })}
      </ol>
    </section>
  );
}

export function Attempts({ job }: { job: JobDetail }) {
  const tries = [...(job.attemptHistory ?? [])].reverse();
  return (
    <ol class="attempts">
      {tries.map((one) => (
        <li key={one.attempt}>
          <div class="row wrap spread">
            <span class="row"><b>Try {one.attempt}</b><span class="tag">{one.class}</span></span>
            <span class="faint"><Clock at={one.at} /> · ran {duration(one.ranMs)}{one.worker ? ` · ${one.worker}` : ''}</span>
          </div>
          <p class="reason break">{one.message}</p>
        </li>
      ))}
    </ol>
  );
}

const OUTCOMES: Record<string, [IconName, JobState]> = { pending: ['clock', 'waiting'], processed: ['check', 'completed'], failed: ['cross', 'failed'], ignored: ['stop', 'paused'] };

export function Children({ job }: { job: JobDetail }) {
  const children = job.children;
  if (!children) return null;
  return (
    <div class="bleed">
      <table class="table">
        <thead><tr><th scope="col">Child</th><th scope="col">Queue</th><th scope="col">Outcome</th></tr></thead>
        <tbody>
          {children.items.map((child) => {
            const [icon, look] = OUTCOMES[child.outcome] ?? ['info', 'paused'];
            return <tr key={`${child.queue}/${child.id}`}><th scope="row"><a class="open mono break" href={toJob(child.queue, child.id)}>{child.id}</a></th><td class="break">{child.queue}</td><td><span class={`word st-${look}`}><Icon name={icon} small />{child.outcome}</span></td></tr>;
          })}
        </tbody>
      </table>
    </div>
  );
}

export function AuditLines({ entries }: { entries: AuditEntry[] }) {
  return (
    <ol class="attempts">
      {entries.map((entry) => (
        <li key={entry.id}>
          <div class="row wrap spread">
            <span><b>{entry.what}</b> by {entry.by}{entry.was || entry.is ? <span class="quiet"> · {entry.was ?? '–'} → {entry.is ?? '–'}</span> : null}</span>
            <span class="faint"><Clock at={entry.at} /> · {entry.from}</span>
          </div>
          {entry.why ? <p class="quiet break">{entry.why}</p> : null}
        </li>
      ))}
    </ol>
  );
}
