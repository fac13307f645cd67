// Jobs that look alive and are not.

import { get } from '../../api/client';
import type { JobAction } from '../../api/types';
import { act, JOB_ACTS } from '../../acts/job';
import { age } from '../../format';
import { useResource } from '../../live/resource';
import { toJob } from '../../router';
import { mayDo } from '../../session';
import { Icon } from '../../ui/icon';
import { Empty } from '../../ui/parts';
import { useRows } from '../../ui/rows';
import { Answer, Title } from './frame';

export interface Zombie {
  queue: string; id: string; name?: string; why: string; detail?: string | null; kind?: string;
  activeMs?: number | null; heartbeatMs?: number | null; worker?: string | null; allowedActions?: JobAction[];
}

const EVERY_MS = 10_000;

export function ZombiesPage() {
  const zombies = useResource<{ items: Zombie[] }>('zombies', (signal) => get(['zombies'], {}, signal), { when: (event) => event.type.startsWith('job.'), gapMs: 3000, everyMs: EVERY_MS });
  return (
    <>
      <Title text="Zombies" sub="Active without a lock or a heartbeat, overdue, or waiting for children that are gone." />
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
              <td class="num"><div class="row">{(one.allowedActions ?? []).filter((action) => ['retry', 'cancel', 'kill', 'force-done'].includes(action) && mayDo(action)).map((action) => (
                <button key={action} type="button" class="btn s" onClick={() => void act(action, { queue: one.queue, id: one.id, name: one.name ?? '', data: null, priority: 0 }).then(refetch)}>{JOB_ACTS[action].word}</button>
              ))}</div></td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
