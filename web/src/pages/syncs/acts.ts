// What a person does to a sync. Each act asks why, and says what came of it in the server's words.

import { post } from '../../api/client';
import type { Sync, SyncAction } from '../../api/types';
import { told } from '../../acts/job';
import { count, plural } from '../../format';
import { ask } from '../../ui/dialog';
import type { IconName } from '../../ui/icon';

interface Look { word: string; icon: IconName; body: string; done: string; danger?: boolean; why?: boolean }

export const SYNC_ACTS: Record<SyncAction, Look> = {
  pause: { word: 'Pause', icon: 'pause', body: 'It stops after the batch under way, keeps its place, and spends no attempt.', done: 'is paused' },
  resume: { word: 'Resume', icon: 'play', body: 'It goes on from its last commit.', done: 'goes on' },
  'retry-items': { word: 'Push failed items again', icon: 'retry', body: 'They get their tries anew. Other items are not touched.', done: 'pushes them again' },
  cancel: { word: 'Cancel', icon: 'stop', body: 'It stops and ends as cancelled. What was committed stays, and it can be resumed from there.', done: 'is cancelled' },
  'force-done': { word: 'Mark as done', icon: 'check', body: 'It is completed as it stands. What its run still writes is refused. The reason becomes a part of its result.', done: 'is marked as done', danger: true, why: true },
};

const OUTCOMES: Record<string, string> = {
  pausing: 'stops after the batch under way', 'paused-before': 'was paused before', 'not-paused': 'was not paused', told: 'is told to stop',
  'told-before': 'was told to stop before', 'cancelled-before': 'was cancelled before', 'forced-before': 'was marked as done before',
};

/** Asks and acts; true if it was done. `items` = only these, of those that failed. */
export async function actOn(action: SyncAction, sync: Sync, items?: string[]): Promise<boolean> {
  const { word, body, done, danger, why } = SYNC_ACTS[action];
  const name = `${sync.name} ${sync.id}`;
  const n = items?.length ?? sync.failed;
  const retry = action === 'retry-items';
  const title = retry ? `Push ${plural(n, 'failed item')} of ${name} again?` : `${word} ${name}?`;
  const answer = await ask({ title, act: retry ? `Push ${count(n)} again` : word, body, danger, why });
  if (!answer) return false;
  const request = { ...(answer.reason ? { reason: answer.reason } : {}), ...(items ? { items } : {}) };
  return told(({ outcome }) => `${name} ${OUTCOMES[outcome] ?? done}`, () => post<{ outcome: string }>(['syncs', sync.queue, sync.id, action], request));
}
