// Who did what to which job, when, from where, and why.

import { address, get } from '../../api/client';
import type { AuditEntry, AuditList } from '../../api/types';
import { useResource } from '../../live/resource';
import { param, toJob, toQueue } from '../../router';
import { Clock, Empty } from '../../ui/parts';
import { Answer, FilterField, Pager, QueuePicker, Title } from './frame';

export function AuditPage() {
  // Whoever did it: what workers wrote of their own accord is not an act of a person, and a sync writes a line for each batch.
  const query = { queue: param('queue'), job: param('job'), by: param('by') || '*', what: param('what'), cursor: param('cursor') };
  const list = useResource<AuditList>(`audit ${JSON.stringify(query)}`, (signal) => get(['audit'], { ...query, limit: 100 }, signal), { when: (event) => event.type === 'audit' && !query.cursor });
  return (
    <>
      <Title text="Audit" sub="Every act of a person, by whom, from where, and why. It outlives the jobs.">
        <QueuePicker />
        <FilterField name="by" label="By" /><FilterField name="what" label="What" /><FilterField name="job" label="Job id" />
        <a class="btn" href={address(['audit'], { ...query, cursor: '', limit: 200 })} download="audit.json" target="_blank" rel="noopener">JSON</a>
      </Title>
      <Answer resource={list}>{(data) => (
        <section class="card card-scroll" aria-label="Entries">
          {data.items.length === 0 ? <Empty title={data.next ? 'No entries in this part' : 'No entries'} /> : <Table items={data.items} />}
          <Pager next={data.next} />
        </section>
      )}</Answer>
    </>
  );
}

function Table({ items }: { items: AuditEntry[] }) {
  return (
    <table class="table">
      <thead><tr><th scope="col">When</th><th scope="col">Who</th><th scope="col">What</th><th scope="col" class="wide">Which</th><th scope="col" class="md">From → to</th><th scope="col" class="wide md">Why</th></tr></thead>
      <tbody>
        {items.map((one) => (
          <tr key={`${one.queue} ${one.id}`}>
            <td class="nowrap quiet"><Clock at={one.at} /></td>
            <td><div class="pair"><b class="break">{one.by}</b><span class="faint break wide-only">{one.from}</span></div></td>
            <td class="nowrap">{one.what}</td>
            <td class="wide break"><a href={toQueue(one.queue)}>{one.queue}</a>{one.job ? <> <a class="link mono" href={toJob(one.queue, one.job)}>{one.job}</a></> : null}{one.why ? <div class="only-small quiet">{one.why}</div> : null}</td>
            <td class="md quiet nowrap">{one.was || one.is ? `${one.was ?? '–'} → ${one.is ?? '–'}` : ''}</td>
            <td class="wide md quiet break">{one.why}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
