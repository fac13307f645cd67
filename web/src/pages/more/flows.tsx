// A flow: a job, the jobs it waits for, and how they do. Found by any job of it.

import { useState } from 'preact/hooks';
import { get } from '../../api/client';
import type { Flow, FlowNode } from '../../api/types';
import { count } from '../../format';
import { countsMoved, queueList } from '../../live/queues';
import { useResource } from '../../live/resource';
import { go, to, toJob, toQueue } from '../../router';
import { Empty, progressOf, StatusWord } from '../../ui/parts';
import { Answer, Title } from './frame';

export function FlowsPage({ path }: { path: string[] }) {
  const [, queue, id] = path;
  if (queue && id) return <FlowOf queue={queue} id={id} />;
  const waiting = (queueList.data.value?.items ?? []).filter((one) => (one.counts?.['waiting-children'] ?? 0) > 0);
  return (
    <>
      <Title text="Flows" sub="Parents in BullMQ that wait for their children." />
      <div class="card">
        {waiting.length === 0 ? <Empty title="No job waits for children"><p>A flow that has ended is found by any of its jobs:</p></Empty> : (
          <table class="table"><thead><tr><th scope="col">Queue</th><th scope="col" class="num">Waiting for children</th></tr></thead>
            <tbody>{waiting.map((one) => <tr key={one.name}><th scope="row"><a class="open" href={toQueue(one.name, { state: 'waiting-children' })}>{one.name}</a></th><td class="num">{count(one.counts?.['waiting-children'] ?? 0)}</td></tr>)}</tbody></table>
        )}
        <Seek />
      </div>
    </>
  );
}

function Seek() {
  const names = (queueList.data.value?.items ?? []).filter((one) => one.dialect !== 'bull').map((one) => one.name);
  const [queue, setQueue] = useState('');
  const [id, setId] = useState('');
  const chosen = queue || names[0] || '';
  return (
    <form class="body seek" onSubmit={(event) => { event.preventDefault(); if (chosen && id.trim()) go(to(['flows', chosen, id.trim()])); }}>
      <select class="input" aria-label="Queue of the job" value={chosen} onChange={(event) => setQueue(event.currentTarget.value)}>{names.map((name) => <option key={name}>{name}</option>)}</select>
      <input class="input" aria-label="Id of the job" placeholder="id of any job of the flow" value={id} onInput={(event) => setId(event.currentTarget.value)} />
      <button type="submit" class="btn" disabled={!chosen || !id.trim()}>Show the flow</button>
    </form>
  );
}

function FlowOf({ queue, id }: { queue: string; id: string }) {
  const flow = useResource<Flow>(`flow ${queue} ${id}`, (signal) => get(['flows', queue, id], { depth: 10 }, signal), { when: (event) => event.type.startsWith('job.') || countsMoved(event), gapMs: 1500 });
  return (
    <>
      <Title text={flow.data.value?.root.name || id} above={<><a href={to(['flows'])}>Flows</a><span aria-hidden="true">/</span><a href={toQueue(queue)}>{queue}</a><span aria-hidden="true">/</span></>} />
      <Answer resource={flow}>{(data) => (
        <section class="card" aria-label="Flow">
          <header>
            <h2>{count(data.nodes)} jobs{data.truncated ? ', not all shown' : ''}</h2>
            {data.above ? <a class="btn s" href={to(['flows', data.above.queue, data.above.id])}>Above: {data.above.queue} {data.above.id}</a> : null}
          </header>
          <ul class="flow body"><Node node={data.root} /></ul>
        </section>
      )}</Answer>
    </>
  );
}

function Node({ node }: { node: FlowNode }) {
  const { share } = progressOf(node.progress);
  const roll = node.rollup;
  return (
    <li>
      <div class="flow-node">
        {node.missing ? <span class="faint">gone</span> : <StatusWord status={node.status ?? 'queued'} />}
        <a class="open" href={toJob(node.queue, node.id)}>{node.name || node.id}</a>
        <span class="faint">{node.queue} · <span class="mono">{node.id}</span></span>
        {share !== null && node.state === 'active' ? <progress value={share} max={1} aria-label={`Progress of ${node.id}`} /> : null}
        {roll && roll.pending + roll.processed + roll.failed + roll.ignored > 0 ? <span class="quiet">{count(roll.processed)} of {count(roll.pending + roll.processed + roll.failed + roll.ignored)} children done{roll.failed ? `, ${count(roll.failed)} failed` : ''}</span> : null}
        {node.failedReason ? <span class="reason clip">{node.failedReason}</span> : null}
      </div>
      {node.children.length || node.more ? <ul>{node.children.map((child) => <Node key={`${child.queue}/${child.id}`} node={child} />)}{node.more ? <li class="faint">and {count(node.more)} more</li> : null}</ul> : null}
    </li>
  );
}
