// The pages of the navigation.

import type { Filter } from '../live/stream';

export interface PageEntry { name: string; path: string[] }

export const PAGES: PageEntry[] = [
  { name: 'Overview', path: [] },
  { name: 'Syncs', path: ['syncs'] },
  { name: 'Failed', path: ['failed'] },
  { name: 'Zombies', path: ['zombies'] },
  { name: 'Workers', path: ['workers'] },
  { name: 'Schedulers', path: ['schedulers'] },
  { name: 'Flows', path: ['flows'] },
  { name: 'Audit', path: ['audit'] },
  { name: 'History', path: ['history'] },
  { name: 'System', path: ['system'] },
];

const ALWAYS = ['queue.*', 'worker.*'];

/** What a page wants to hear of, beside the counts that the header shows. */
export function wishOf(path: string[]): Filter {
  const [page = '', queue, , id] = path;
  if (page === 'queues' && queue && id) return { queue: [queue], job: [id] };
  if (page === 'syncs' && queue && path[2]) return { queue: [queue], job: [path[2]] };
  if (page === 'queues' && queue) return { queue: [queue] };
  const more: Record<string, string[]> = {
    syncs: ['job.progress', 'job.active', 'job.completed', 'job.failed', 'job.delayed', 'job.cancelled', 'job.forced', 'job.removed', 'job.added'],
    failed: ['job.failed', 'job.retrying', 'job.removed'],
    workers: ['job.active', 'job.completed', 'job.failed', 'job.stalled'],
    zombies: ['job.active', 'job.stalled', 'job.completed', 'job.failed'],
    flows: ['job.active', 'job.completed', 'job.failed', 'job.waiting-children'],
    audit: ['audit'],
    schedulers: ['job.active', 'audit'],
  };
  return { type: [...ALWAYS, ...(more[page] ?? [])] };
}
