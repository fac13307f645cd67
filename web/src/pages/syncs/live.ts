// What events say of a sync: its counters come with its progress.

import type { LiveEvent, Sync } from '../../api/types';

const number = (value: unknown): number | null => (typeof value === 'number' && Number.isFinite(value) ? value : null);

/** The sync with the counters of an event; undefined = it is not about them. */
export function counted<S extends Sync>(sync: S, event: LiveEvent): S | undefined {
  if (event.type !== 'job.progress' || event.jobId !== sync.id || event.queue !== sync.queue || sync.state !== 'active') return undefined;
  const told = event.data.progress;
  if (typeof told !== 'object' || told === null) return undefined;
  const p = told as Record<string, unknown>;
  return {
    ...sync,
    total: number(p.total), processed: number(p.processed) ?? sync.processed, successful: number(p.successful) ?? sync.successful,
    failed: number(p.failed) ?? sync.failed, skipped: number(p.skipped) ?? sync.skipped, retrying: number(p.retrying) ?? sync.retrying,
    batch: number(p.batch) ?? sync.batch, batches: number(p.batches), rate: number(p.rate), etaSeconds: number(p.eta_s),
  };
}

/** Share of one; null while nobody knows how many there are. */
export const shareOf = (sync: Sync): number | null => (sync.total ? Math.min(1, sync.processed / sync.total) : sync.status === 'completed' ? 1 : null);
