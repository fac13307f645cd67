// How far a job is: counts beside percent, how fast, how long to go.

import { useRef } from 'preact/hooks';
import type { JobDetail } from '../api/types';
import { now, serverNow } from '../clock';
import { age, count, percent, rate } from '../format';
import { progressOf } from '../ui/parts';

/** The rate is that of the last so many ms, so that a job that slows down shows it. */
const WINDOW_MS = 20_000;

interface Sample { at: number; done: number }

/** Units a second, from what was seen; from the start of the run as long as little was seen. */
function useRate(job: JobDetail, done: number | null): number | null {
  const seen = useRef<Sample[]>([]);
  if (done === null) return null;
  const samples = seen.current;
  const last = samples.at(-1);
  const at = serverNow();
  if (last && done < last.done) samples.length = 0;
  if (samples.at(-1)?.done !== done) samples.push({ at, done });
  while (samples.length > 2 && (samples[1]?.at ?? at) < at - WINDOW_MS) samples.shift();
  const first = samples[0];
  const newest = samples.at(-1);
  if (first && newest && newest.at - first.at > 2000) return (newest.done - first.done) / ((at - first.at) / 1000);
  const ran = job.processedOn ? (at - job.processedOn) / 1000 : 0;
  return ran > 1 && done > 0 ? done / ran : null;
}

export function ProgressPanel({ job }: { job: JobDetail }) {
  const { share, counts, message } = progressOf(job.progress);
  const active = job.state === 'active';
  // Ticks with the second hand, so that a job that stands still is seen to.
  void now.value;
  const perSecond = useRate(job, counts?.processed ?? (share === null ? null : share * 100));
  const left = counts ? counts.total - counts.processed : share === null ? null : 100 - share * 100;
  const etaMs = active && perSecond && left !== null && left > 0 ? (left / perSecond) * 1000 : null;
  if (share === null) return <p class="progress-none">{message || 'Running. It has not told how far it is.'}</p>;
  return (
    <div class="progress-panel">
      <div class="row spread wrap">
        <p class="progress-big"><strong data-testid="percent">{percent(share)}</strong>
          {counts ? <span data-testid="counts">{count(counts.processed)} of {count(counts.total)}</span> : null}
        </p>
        <ul class="facts-line">
          {counts?.successful !== undefined ? <li><b>{count(counts.successful)}</b> ok</li> : null}
          {counts?.failed ? <li class="word st-failed"><b>{count(counts.failed)}</b> failed</li> : null}
          {active && perSecond ? <li><b>{rate(perSecond)}</b>{counts ? '' : ' %'} a second</li> : null}
          {etaMs !== null ? <li>about <b>{age(etaMs)}</b> to go</li> : null}
        </ul>
      </div>
      <progress class={`big ${active ? 'st-active' : job.status === 'partial' ? 'st-delayed' : 'st-completed'}`} value={share} max={1} aria-label="Progress of the job" />
      {message ? <p class="quiet break">{message}</p> : null}
    </div>
  );
}
