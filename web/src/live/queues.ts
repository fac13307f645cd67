// All queues with their counts: the header, the finder and the overview show the same ones.

import { computed } from '@preact/signals';
import { get } from '../api/client';
import type { Counts, LiveEvent, Queue, QueueList } from '../api/types';
import { Loader } from './resource';

/** Counts come with the events; what is asked for is the rest: rates, ages, workers. */
const GAP_MS = 5000;
/** Other pages show only counts of it. */
const QUIET_GAP_MS = 60_000;
/** Rates cover about ten seconds: once more after that, and they are back to zero. */
const SETTLE_MS = 12_000;

const moved = new WeakMap<LiveEvent, boolean>();

/**
 * Does an event tell other counts than those known? The server also tells them when it looks at a queue for the first time.
 * The first who asks decides it for all: after that the event has been written into what is known.
 */
export function countsMoved(event: LiveEvent): boolean {
  if (event.type !== 'queue.counts') return false;
  let is = moved.get(event);
  if (is === undefined) {
    const known = queueList.data.value?.items.find((queue) => queue.name === event.queue)?.counts;
    const given = event.data.counts as Counts;
    is = !known || (Object.keys(known) as (keyof Counts)[]).some((state) => (known[state] ?? 0) !== (given[state] ?? 0));
    moved.set(event, is);
  }
  return is;
}

/** Does an event make what is known of queues old? */
export const isOld = (event: LiveEvent): boolean => countsMoved(event) || /^(worker\.|queue\.(paused|resumed)$)/.test(event.type);

export const queueList = new Loader<QueueList>((signal) => get(['queues'], {}, signal), {
  when: isOld,
  patch: (list, event) => {
    const items = list.items.map((queue) => patched(queue, event));
    return items.some((queue, at) => queue !== list.items[at]) ? { ...list, items } : undefined;
  },
  gapMs: QUIET_GAP_MS,
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

/** As long as somebody looks at the rates of all queues. */
export function showRates(): () => void {
  queueList.options.gapMs = GAP_MS;
  return () => {
    queueList.options.gapMs = QUIET_GAP_MS;
  };
}

const sum = (pick: (queue: Queue) => number): number => (queueList.data.value?.items ?? []).reduce((n, queue) => n + pick(queue), 0);

export const failedTotal = computed(() => sum((queue) => queue.counts?.failed ?? 0));
