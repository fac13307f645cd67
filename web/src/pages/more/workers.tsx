// Who works: our processes and Node's, what each holds, and whether its leases live.

import { get } from '../../api/client';
import type { Health, WorkerList } from '../../api/types';
import { now } from '../../clock';
import { age, count, plural } from '../../format';
import { useResource } from '../../live/resource';
import { toJob, toQueue } from '../../router';
import { Icon } from '../../ui/icon';
import { Ago, Empty, Note } from '../../ui/parts';
import { useRows } from '../../ui/rows';
import { Answer, Title } from './frame';

const GAP_MS = 2000;
const EVERY_MS = 15_000;

export function WorkersPage() {
  const workers = useResource<WorkerList>('workers', (signal) => get(['workers'], {}, signal), { when: (event) => event.type.startsWith('worker.') || event.type.startsWith('job.'), gapMs: GAP_MS, everyMs: EVERY_MS });
  const health = useResource<Health>('health', (signal) => get(['health'], {}, signal), { everyMs: EVERY_MS });
  const handlers = health.data.value?.handlers ?? [];
  return (
    <>
      <Title text="Workers" sub={workers.data.value ? `${plural(workers.data.value.items.length, 'worker')}, ${plural(workers.data.value.items.reduce((n, one) => n + one.running, 0), 'job')} running` : undefined} />
      <Answer resource={workers}>{(data) => (
        <>
          {data.known ? null : <Note look="delayed"><p>Redis does not let us ask who is connected (CLIENT LIST). Only workers that hold a job are shown.</p></Note>}
          {data.items.length === 0 ? <div class="card"><Empty title="No worker is connected"><p>Jobs wait until one is.</p><pre class="code">bullock run -c bullock.toml</pre></Empty></div> : <Table items={data.items} at={workers.at.value} />}
        </>
      )}</Answer>
      {handlers.length ? (
        <section class="card"><header><h2>Handlers of this process</h2></header>
          <table class="table"><tbody>{handlers.map((one) => <tr key={one.name}><th scope="row" class="mono break">{one.name}</th><td class="num"><span class={`word st-${one.healthy ? 'completed' : 'failed'}`}><Icon name={one.healthy ? 'check' : 'warn'} small />{one.healthy ? 'healthy' : 'keeps failing'}</span></td></tr>)}</tbody></table>
        </section>
      ) : null}
    </>
  );
}

function Table({ items, at }: { items: WorkerList['items']; at: number }) {
  const rows = useRows();
  return (
    <section class="card card-scroll" aria-label="Workers">
      <table class="table" ref={rows}>
        <thead><tr><th scope="col">Worker</th><th scope="col" class="wide">Queues</th><th scope="col" class="num">Running</th><th scope="col" class="wide md">Leases</th><th scope="col" class="num lo md">Connected</th></tr></thead>
        <tbody>
          {items.map((one) => (
            <tr key={`${one.kind} ${one.name} ${one.addresses.join()}`}>
              <th scope="row" class="worker"><div class="pair"><span class="row wrap"><b class="break">{one.name}</b><span class="tag">{one.kind}</span></span><span class="faint clip">{one.addresses.join(', ')}</span></div></th>
              <td class="wide">{one.queues.slice(0, 5).map((queue, i) => <span key={queue.queue}>{i ? ', ' : ''}<a data-row={i === 0 || undefined} class="break" href={toQueue(queue.queue)}>{queue.queue}</a>{queue.running ? <span class="faint"> {count(queue.running)}</span> : null}</span>)}{one.queues.length > 5 ? <span class="faint"> and {one.queues.length - 5} more</span> : null}</td>
              <td class="num">{count(one.running)}</td>
              <td class="wide md">{one.leases.slice(0, 6).map((lease) => <div key={`${lease.queue}/${lease.id}`} class="row lease"><a class="clip" href={toJob(lease.queue, lease.id)}>{one.queues.length > 1 ? `${lease.queue} ` : ''}<span class="mono">{lease.id}</span></a><span class="faint nowrap">{lease.startedOn ? <>for <Ago at={lease.startedOn} /></> : null}{lease.leaseMs === null ? <span class="word st-failed"> no lease</span> : ` · lease ${age(Math.max(0, lease.leaseMs - Math.max(0, now.value - at)))}`}</span></div>)}{one.leases.length > 6 ? <span class="faint">and {count(one.leases.length - 6)} more</span> : one.leases.length === 0 ? <span class="faint">{one.running ? '–' : 'idle'}</span> : null}</td>
              <td class="num lo md quiet">{one.connectedSeconds === null ? '–' : age(one.connectedSeconds * 1000)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
