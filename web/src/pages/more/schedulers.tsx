// What adds jobs by the clock.

import { call, get, post } from '../../api/client';
import type { Scheduler } from '../../api/types';
import { told } from '../../acts/job';
import { duration, plural } from '../../format';
import { countsMoved } from '../../live/queues';
import { useResource } from '../../live/resource';
import { param, toJob, toQueue } from '../../router';
import { isAdmin, isOperator } from '../../session';
import { ask } from '../../ui/dialog';
import { Icon } from '../../ui/icon';
import { Clock, Due, Empty } from '../../ui/parts';
import { Answer, QueuePicker, Title } from './frame';

interface List { items: Scheduler[]; total: number }

export function SchedulersPage() {
  const queue = param('queue');
  const list = useResource<List>(`schedulers ${queue}`, (signal) => get(queue ? ['queues', queue, 'schedulers'] : ['schedulers'], {}, signal), { when: (event) => event.type === 'audit' || countsMoved(event), gapMs: 5000 });
  return (
    <>
      <Title text="Schedulers" sub={list.data.value ? `${plural(list.data.value.total, 'schedule')}` : undefined}><QueuePicker /></Title>
      <Answer resource={list}>{(data) => data.items.length === 0 ? <div class="card"><Empty title="No schedules"><p>Producers make them: <code>queue.upsertJobScheduler()</code> in BullMQ, <code>{'{ repeat }'}</code> in Bull.</p></Empty></div> : <Table items={data.items} refetch={list.refetch} />}</Answer>
    </>
  );
}

function every(one: Scheduler): string {
  return one.every ? `every ${duration(one.every)}` : `${one.pattern ?? ''}${one.tz ? ` (${one.tz})` : ''}`;
}

function Table({ items, refetch }: { items: Scheduler[]; refetch: () => void }) {
  const run = (one: Scheduler): void => void told(`One job of ${one.id} was added`, async () => {
    await post<{ id: string }>(['queues', one.queue, 'schedulers', one.id, 'run']);
  }).then(refetch);
  const remove = async (one: Scheduler): Promise<void> => {
    const answer = await ask({ title: `Remove the schedule ${one.id} of ${one.queue}?`, body: 'No further jobs come from it. The one that is already waiting goes, too.', act: 'Remove', danger: true });
    if (answer) await told(`${one.id} is removed`, () => call('DELETE', ['queues', one.queue, 'schedulers', one.id], { body: answer }));
    refetch();
  };
  return (
    <section class="card card-scroll" aria-label="Schedules">
      <table class="table">
        <thead><tr><th scope="col">Schedule</th><th scope="col" class="md">When</th><th scope="col">Next</th><th scope="col" class="num md">Runs so far</th><th scope="col" class="md">Last job</th><th scope="col"><span class="sr">Acts</span></th></tr></thead>
        <tbody>
          {items.map((one) => (
            <tr key={`${one.queue}/${one.key}`}>
              <th scope="row"><div class="pair"><b class="break">{one.name || one.id}</b><span class="faint break"><a href={toQueue(one.queue)}>{one.queue}</a>{one.id !== one.name ? ` · ${one.id}` : ''}</span></div><div class="only-small"><code>{every(one)}</code></div></th>
              <td class="md"><code>{every(one)}</code></td>
              <td>{one.next ? <div class="pair"><Due at={one.next} /><span class="faint"><Clock at={one.next} /></span></div> : '–'}</td>
              <td class="num md">{one.iterations ?? '–'}{one.limit ? <span class="faint"> / {one.limit}</span> : null}</td>
              <td class="md">{one.lastJob ? <a class="link mono break" href={toJob(one.queue, one.lastJob)}>{one.lastJob}</a> : '–'}</td>
              <td class="num nowrap">
                {isOperator.value ? <button type="button" class="btn s" aria-label={`Run now: ${one.id}`} title="Run now" onClick={() => run(one)}><Icon name="play" small /><span class="wide-only">Run now</span></button> : null}{' '}
                {isAdmin.value ? <button type="button" class="btn ghost s square" aria-label={`Remove ${one.id}`} title="Remove" onClick={() => void remove(one)}><Icon name="trash" small /></button> : null}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
