// All queues with their counts: the header, the finder and the overview show the same ones.

import { computed } from '@preact/signals';
import { get } from '../api/client';
import type { Counts, LiveEvent, Queue, QueueList } from '../api/types';
import { Loader } from './resource';

/** The server's answer is at most a second old; asking more often would cost and tell nothing. */
const GAP_MS = 2000;
/** Rates cover about ten seconds: once more after that, and they are back to zero. */
const SETTLE_MS = 12_000;

const OLD_BY = /^(queue\.|worker\.)/;

export const queueList = new Loader<QueueList>((signal) => get(['queues'], {}, signal), {
  when: (event) => OLD_BY.test(event.type),
  patch: (list, event) => {
    const items = list.items.map((queue) => patched(queue, event));
    return items.some((queue, at) => queue !== list.items[at]) ? { ...list, items } : undefined;
  },
  gapMs: GAP_MS,
  settleMs: SETTLE_MS,
});

/** What an event says of a queue by itself. */
export function patched<Q extends Pick<Queue, 'name' | 'counts' | 'paused'>>(queue: Q, event: LiveEvent): Q {
  if (event.queue !== queue.name) return queue;
  if (event.type === 'queue.paused') return { ...queue, paused: true };
  if (event.type === 'queue.resumed') return { ...queue, paused: false };
  if (event.type !== 'queue.counts' || !queue.counts) return queue;
  const given = event.data.counts as Counts;
  const known = Object.keys(queue.counts) as (keyof Counts)[];
  const counts = Object.fromEntries(known.map((state) => [state, given[state] ?? 0]));
  return { ...queue, counts, paused: typeof event.data.isPaused === 'boolean' ? event.data.isPaused : queue.paused };
}

const sum = (pick: (queue: Queue) => number): number => (queueList.data.value?.items ?? []).reduce((n, queue) => n + pick(queue), 0);

export const failedTotal = computed(() => sum((queue) => queue.counts?.failed ?? 0));
