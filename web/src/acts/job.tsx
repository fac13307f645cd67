// What a person does to one job. Each act asks where it cannot be undone, says what came of it, and never guesses: the
// server's refusal is shown as it is.

import { call, post, Problem } from '../api/client';
import type { Job, JobAction, JobDetail } from '../api/types';
import { toJob } from '../router';
import { ask, show } from '../ui/dialog';
import type { IconName } from '../ui/icon';
import { toast } from '../ui/toasts';
import { EditData, EditNumber } from './forms';

export type Target = Pick<Job, 'queue' | 'id' | 'name' | 'data' | 'priority'> & { etag?: string; truncated?: string[] };

interface Look { word: string; icon: IconName; danger?: boolean; done: string }

export const JOB_ACTS: Record<JobAction, Look> = {
  retry: { word: 'Retry', icon: 'retry', done: 'is in line again' },
  promote: { word: 'Run now', icon: 'play', done: 'is in line now' },
  cancel: { word: 'Cancel', icon: 'stop', done: 'is being cancelled' },
  'edit-data': { word: 'Edit data', icon: 'edit', done: 'has new data' },
  'change-delay': { word: 'Change delay', icon: 'clock', done: 'has a new delay' },
  'change-priority': { word: 'Change priority', icon: 'up', done: 'has a new priority' },
  duplicate: { word: 'Duplicate', icon: 'copy', done: 'was added' },
  'force-done': { word: 'Mark as done', icon: 'check', danger: true, done: 'is marked as done' },
  kill: { word: 'Kill', icon: 'stop', danger: true, done: 'is told to stop at once' },
  remove: { word: 'Remove', icon: 'trash', danger: true, done: 'is removed' },
};

const QUESTIONS: Partial<Record<JobAction, { body: string; danger?: boolean; why?: boolean }>> = {
  cancel: { body: 'The handler is told to stop. The job ends as failed and cancelled, and is not tried again.' },
  kill: { body: 'The run is taken away at once, without a grace period. Work that its handler has begun may be half done.', danger: true },
  'force-done': { body: 'The job is completed without its work being done. A handler that still runs is cut off. The reason becomes a part of its result.', danger: true, why: true },
  remove: { body: 'The job goes, with its logs. Its audit entries stay.', danger: true },
};

export const nameOf = (job: Target): string => `${job.name ? `${job.name} ` : ''}${job.id}`;

/** Runs an act and says how it went; true if it was done. */
export async function act(action: JobAction, job: Target): Promise<boolean> {
  const look = JOB_ACTS[action];
  if (action === 'edit-data') return edit(job);
  if (action === 'duplicate') return duplicate(job);
  if (action === 'change-delay' || action === 'change-priority') return change(action, job);
  const question = QUESTIONS[action];
  let reason = '';
  if (question) {
    const answer = await ask({ title: `${look.word} ${nameOf(job)} in ${job.queue}?`, body: question.body, act: look.word, danger: question.danger, why: question.why });
    if (!answer) return false;
    reason = answer.reason;
  }
  const path = ['queues', job.queue, 'jobs', job.id];
  return told(`${nameOf(job)} ${look.done}`, () =>
    action === 'remove' ? call('DELETE', path, { body: { reason } }) : post([...path, action], reason ? { reason } : {}),
  );
}

/** Says what came of a request: `done`, or what it is given of the answer. */
export async function told<T>(done: string | ((answer: T) => string), request: () => Promise<T>, link?: { href: string; text: string }): Promise<boolean> {
  try {
    const answer = await request();
    toast(typeof done === 'string' ? done : done(answer), 'done', link);
    return true;
  } catch (error) {
    toast(refusal(error), 'error');
    return false;
  }
}

export function refusal(error: unknown): string {
  if (error instanceof Problem) return error.detail && error.detail !== error.title ? `${error.title}: ${error.detail}` : error.title;
  return error instanceof Error ? error.message : String(error);
}

async function whole(job: Target): Promise<Target> {
  if (job.etag || !job.truncated?.includes('data')) return job;
  return call<JobDetail>('GET', ['queues', job.queue, 'jobs', job.id]);
}

async function edit(job: Target): Promise<boolean> {
  const full = await whole(job);
  return new Promise((resolve) => {
    show((close) => (
      <EditData title={`Edit the data of ${nameOf(job)}`} act="Save" data={full.data} onDone={async (data, reason) => {
        const headers: Record<string, string> = full.etag ? { 'if-match': full.etag } : {};
        const body = { data, ...(reason ? { reason } : {}) };
        await call('PATCH', ['queues', job.queue, 'jobs', job.id], { body, headers });
        close();
        toast(`${nameOf(job)} has new data`);
        resolve(true);
      }} onCancel={() => { close(); resolve(false); }} />
    ), () => resolve(false));
  });
}

async function duplicate(job: Target): Promise<boolean> {
  const full = await whole(job);
  return new Promise((resolve) => {
    show((close) => (
      <EditData title={`Duplicate ${nameOf(job)}`} act="Add the copy" data={full.data} onDone={async (data, reason) => {
        const added = await post<{ id: string }>(['queues', job.queue, 'jobs', job.id, 'duplicate'], { data, ...(reason ? { reason } : {}) });
        close();
        toast(`A copy was added as ${added.id}`, 'done', { href: toJob(job.queue, added.id), text: 'Open it' });
        resolve(true);
      }} onCancel={() => { close(); resolve(false); }} />
    ), () => resolve(false));
  });
}

function change(action: 'change-delay' | 'change-priority', job: Target): Promise<boolean> {
  const delay = action === 'change-delay';
  return new Promise((resolve) => {
    show((close) => (
      <EditNumber
        title={delay ? `When shall ${nameOf(job)} run?` : `Priority of ${nameOf(job)}`}
        label={delay ? 'Seconds from now' : 'Priority'} help={delay ? '' : '1 is run first; 0 has none'} start={delay ? 60 : job.priority}
        onDone={async (value, reason) => {
          const body = { ...(delay ? { delay: Math.round(value * 1000) } : { priority: value }), ...(reason ? { reason } : {}) };
          await call('PATCH', ['queues', job.queue, 'jobs', job.id], { body });
          close();
          toast(`${nameOf(job)} ${JOB_ACTS[action].done}`);
          resolve(true);
        }}
        onCancel={() => { close(); resolve(false); }}
      />
    ), () => resolve(false));
  });
}
