// What a person does to a whole queue, and to many jobs at once.

import { signal } from '@preact/signals';
import { get, post } from '../api/client';
import type { Operation, Queue } from '../api/types';
import { count, plural } from '../format';
import { toJob } from '../router';
import { ask, show } from '../ui/dialog';
import { toast } from '../ui/toasts';
import { AddJob } from './forms';
import { refusal, told } from './job';

export function pauseOrResume(queue: Pick<Queue, 'name' | 'paused'>): Promise<boolean> {
  const verb = queue.paused ? 'resume' : 'pause';
  return told(`${queue.name} is ${queue.paused ? 'running' : 'paused'}`, () => post(['queues', queue.name, verb]));
}

export function addJob(queue: string): void {
  show((close) => (
    <AddJob queue={queue} onCancel={close} onDone={async (job) => {
      const added = await post<{ id: string; duplicate: boolean }>(['queues', queue, 'jobs'], job);
      close();
      toast(added.duplicate ? `${added.id} is there already` : `${job.name} was added as ${added.id}`, 'done', { href: toJob(queue, added.id), text: 'Open it' });
    }} />
  ));
}

export async function drain(queue: string, waiting: number): Promise<void> {
  const answer = await ask({
    title: `Drain ${queue}?`, act: 'Drain', danger: true,
    body: `${plural(waiting, 'waiting job')} will be removed, and the delayed ones, too. Running jobs go on.`,
  });
  if (answer) await removed(queue, 'drain', answer);
}

export async function clean(queue: string, state: string, n: number): Promise<void> {
  const answer = await ask({ title: `Remove ${state} jobs of ${queue}?`, act: 'Remove', danger: true, body: `${count(n)} now. At most 10,000 go at a time.` });
  if (answer) await removed(queue, 'clean', { ...answer, state, olderThanMs: 0, limit: 10_000 });
}

async function removed(queue: string, verb: string, body: unknown): Promise<void> {
  try {
    const answer = await post<{ removed: number }>(['queues', queue, verb], body);
    toast(`${plural(answer.removed, 'job')} of ${queue} removed`);
  } catch (error) {
    toast(refusal(error), 'error');
  }
}

export async function obliterate(queue: string): Promise<boolean> {
  const answer = await ask({
    title: `Obliterate ${queue}?`, act: 'Obliterate', danger: true, typed: queue,
    body: 'Every job in every state goes, with all keys of the queue. This cannot be undone.',
  });
  if (!answer) return false;
  return told(`${queue} is gone`, () => post(['queues', queue, 'obliterate'], { confirm: queue, force: false, reason: answer.reason }));
}

/** What many acts are aimed at: named jobs, or all that a search finds. */
export type Aim = { ids: string[] } | { filter: Record<string, unknown>; matching: number };

const BULK_MAX = 100_000;
const POLL_MS = 400;
const SHOWN_AFTER_MS = 4000;
const VERBS: Record<string, string> = { retry: 'Retry', promote: 'Run now', remove: 'Remove' };

/** Bulk acts under way, and those that just ended. */
export const operations = signal<Operation[]>([]);

/** The same act in several queues, asked once. True once one was started. */
export async function bulkIn(aims: { queue: string; filter: Record<string, unknown>; matching: number }[], action: 'retry' | 'remove', which: string): Promise<boolean> {
  const total = aims.reduce((n, aim) => n + aim.matching, 0);
  const answer = await ask({
    title: `${VERBS[action]} ${plural(total, 'failed job')} in ${plural(aims.length, 'queue')}?`, act: `${VERBS[action]} ${count(total)}`, danger: action === 'remove', body: which,
  });
  if (!answer) return false;
  const started = await Promise.all(aims.map((aim) => start(aim.queue, { action, ...aim.filter, limit: BULK_MAX, ...answer })));
  return started.some(Boolean);
}

/** Asks, starts it, and follows it. True once it was started. */
export async function bulk(queue: string, action: 'retry' | 'promote' | 'remove', aim: Aim): Promise<boolean> {
  const word = VERBS[action] ?? action;
  const what = 'ids' in aim ? plural(aim.ids.length, 'job') : `all ${plural(aim.matching, 'matching job')}`;
  const answer = await ask({
    title: `${word} ${what} of ${queue}?`, act: `${word} ${'ids' in aim ? count(aim.ids.length) : 'all'}`, danger: action === 'remove',
    body: action === 'remove' ? 'They go, with their logs. This cannot be undone.' : undefined,
  });
  if (!answer) return false;
  return start(queue, { action, ...('ids' in aim ? { ids: aim.ids } : { ...aim.filter, limit: BULK_MAX }), ...answer });
}

async function start(queue: string, body: Record<string, unknown>): Promise<boolean> {
  if (!body.reason) delete body.reason;
  try {
    void follow(await post<Operation>(['queues', queue, 'bulk'], body));
    return true;
  } catch (error) {
    toast(refusal(error), 'error');
    return false;
  }
}

async function follow(operation: Operation): Promise<void> {
  const set = (now: Operation): void => {
    operations.value = [...operations.value.filter((one) => one.id !== now.id), now];
  };
  set(operation);
  try {
    while (operation.status === 'running') {
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
      operation = await get<Operation>(['operations', operation.id]);
      set(operation);
    }
  } catch (error) {
    // It lives in the server's process: with that it ends, and what was done stays done.
    set({ ...operation, status: 'failed', problem: refusal(error) });
  }
  setTimeout(() => {
    operations.value = operations.value.filter((one) => one.id !== operation.id);
  }, operation.status === 'done' && operation.skipped === 0 ? SHOWN_AFTER_MS : 4 * SHOWN_AFTER_MS);
}

export const stop = (operation: Operation): Promise<boolean> => told('It stops', () => post(['operations', operation.id, 'stop']));
