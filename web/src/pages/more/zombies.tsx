// Jobs that look alive and are not.

import { get, post } from '../../api/client';
import { told } from '../../acts/job';
import { age } from '../../format';
import { useResource } from '../../live/resource';
import { param, toJob } from '../../router';
import { mayDo } from '../../session';
import { ask } from '../../ui/dialog';
import { Icon } from '../../ui/icon';
import { Empty } from '../../ui/parts';
import { useRows } from '../../ui/rows';
import { Answer, QueuePicker, Title } from './frame';

type Mend = 'requeue' | 'fail' | 'force-done';

export interface Zombie {
  queue: string; id: string; name: string | null; why: string; detail: string; kind: string; held: boolean;
  activeMs: number | null; heartbeatMs: number | null; worker: string | null; allowedActions: Mend[];
}

const MENDS: Record<Mend, { word: string; body: string; danger?: boolean; done: string }> = {
  requeue: { word: 'Requeue', body: 'It is put next in line and runs again: is its handler safe to repeat?', done: 'is in line again' },
  fail: { word: 'Fail', body: 'It goes to the failed jobs as crashed, with its data. It can be retried later.', done: 'is failed' },
  'force-done': { word: 'Mark as done', body: 'It is completed without its work being done. The reason becomes a part of its result.', danger: true, done: 'is marked as done' },
};

/** Mends one zombie; the server looks again whether it still is one. */
async function mend(action: Mend, one: Zombie): Promise<void> {
  const { word, body, danger, done } = MENDS[action];
  const name = `${one.name ? `${one.name} ` : ''}${one.id}`;
  const warning = one.held ? ' A run holds it and is cut off: whatever it still writes is refused.' : '';
  const answer = await ask({ title: `${word} ${name} in ${one.queue}?`, body: body + warning, act: word, danger: danger ?? one.held, why: action === 'force-done' });
  if (!answer) return;
  await told(`${name} ${done}`, async () => {
    const { reason } = answer;
    const request = { queue: one.queue, ids: [one.id], action, force: one.held, ...(reason ? { reason } : {}) };
    const { items: [result] } = await post<{ items: { done: boolean; problem: string | null }[] }>(['zombies', 'resolve'], request);
    if (!result?.done) throw new Error(`${name}: ${result?.problem ?? 'it was not served'}`);
  });
}

const EVERY_MS = 10_000;

export function ZombiesPage() {
  const queue = param('queue');
  const zombies = useResource<{ items: Zombie[] }>(`zombies ${queue}`, (signal) => get(['zombies'], { queue }, signal), { when: (event) => event.type.startsWith('job.'), gapMs: EVERY_MS, everyMs: EVERY_MS });
  return (
    <>
      <Title text="Zombies" sub="Active without a lease or without a sign for ten minutes, or overdue."><QueuePicker /></Title>
      <Answer optional resource={zombies}>{(data) => data.items.length === 0 ? <div class="card"><Empty title="No zombies"><p>Every running job has a worker that is heard of.</p></Empty></div> : <List items={data.items} refetch={zombies.refetch} />}</Answer>
    </>
  );
}

function List({ items, refetch }: { items: Zombie[]; refetch: () => void }) {
  const rows = useRows();
  return (
    <section class="card card-scroll" aria-label="Zombies">
      <table class="table" ref={rows}>
        <thead><tr><th scope="col">Job</th><th scope="col" class="wide">Why</th><th scope="col" class="num">Active for</th><th scope="col" class="num md">Heartbeat</th><th scope="col" class="md">Worker</th><th scope="col"><span class="sr">Acts</span></th></tr></thead>
        <tbody>
          {items.map((one) => (
            <tr key={`${one.queue}/${one.id}`}>
              <th scope="row"><div class="pair"><a class="open break" data-row href={toJob(one.queue, one.id)}>{one.name ?? one.id}</a><span class="faint clip">{one.queue} · {one.id}</span></div></th>
              <td class="wide break"><span class="word st-failed"><Icon name="warn" small />{one.why}</span>{one.detail ? <div class="quiet">{one.detail}</div> : null}</td>
              <td class="num">{one.activeMs ? age(one.activeMs) : '–'}</td><td class="num md">{one.heartbeatMs ? `${age(one.heartbeatMs)} ago` : '–'}</td><td class="md">{one.worker ?? '–'}</td>
              <td class="num"><div class="row wrap end">{one.allowedActions.filter(mayDo).map((action) => (
                <button key={action} type="button" class="btn s" onClick={() => void mend(action, one).then(refetch)}>{MENDS[action].word}</button>
              ))}</div></td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
