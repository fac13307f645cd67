// All syncs, the newest start first: how far each is, how fast, and what failed.

import { get } from '../../api/client';
import type { LiveEvent, Sync, SyncList } from '../../api/types';
import { age, count, percent, rate } from '../../format';
import { useResource } from '../../live/resource';
import { param, setQuery, toSync } from '../../router';
import { Icon } from '../../ui/icon';
import { Ago, Empty, StatusWord } from '../../ui/parts';
import { useRows } from '../../ui/rows';
import { Answer, FilterField, Pager, QueuePicker, Title } from '../more/frame';
import { counted, shareOf } from './live';

/** Counters come with the events; what is asked for is the rest. */
const GAP_MS = 1500;
const EVERY_MS = 15_000;
const PAGE = 50;
const STATUSES = ['running', 'queued', 'scheduled', 'paused', 'retrying', 'partial', 'completed', 'failed', 'cancelled', 'stalled'];

function patched(list: SyncList, event: LiveEvent): SyncList | undefined {
  const at = list.items.findIndex((sync) => sync.id === event.jobId && sync.queue === event.queue);
  const sync = list.items[at];
  const moved = sync && counted(sync, event);
  return moved ? { ...list, items: list.items.with(at, moved) } : undefined;
}

export function SyncsPage() {
  const query = { queue: param('queue'), status: param('status'), name: param('name'), cursor: param('cursor') };
  const list = useResource<SyncList>(`syncs ${JSON.stringify(query)}`, (signal) => get(['syncs'], { ...query, limit: PAGE }, signal), {
    when: (event) => event.type.startsWith('job.') && event.type !== 'job.progress', patch: patched, gapMs: GAP_MS, everyMs: EVERY_MS,
  });
  return (
    <>
      <Title text="Syncs" sub="Long jobs that move items, batch by batch. The newest start first.">
        <QueuePicker />
        <select class="input" aria-label="Status" value={query.status} onChange={(event) => setQuery({ status: event.currentTarget.value, cursor: '' })}>
          <option value="">Any status</option>
          {STATUSES.map((one) => <option key={one} value={one}>{one}</option>)}
        </select>
        <FilterField name="name" label="Name" />
      </Title>
      <Answer optional resource={list}>{(data) => (
        <section class="card" aria-label="Syncs">
          {data.items.length === 0 ? <Nothing filtered={Boolean(query.queue || query.status || query.name || query.cursor)} /> : <Table items={data.items} />}
          <Pager next={data.next} />
        </section>
      )}</Answer>
    </>
  );
}

function Nothing({ filtered }: { filtered: boolean }) {
  if (filtered) return <Empty title="No sync here is like that" />;
  return <Empty title="No syncs yet"><p>A sync reads pages from a source and pushes batches to a sink. Start one whose handler is in the config:</p><pre class="code">bullock sync start shop-sync sync-customers --org acme --key 2026-11</pre></Empty>;
}

function Table({ items }: { items: Sync[] }) {
  const rows = useRows();
  return (
    <table class="table syncs-table" ref={rows}>
      <thead><tr>
        <th scope="col">Sync</th><th scope="col" class="md">Organisation</th><th scope="col">Status</th><th scope="col" class="wide">Progress</th>
        <th scope="col" class="num lo md">Failed</th><th scope="col" class="num lo md">To retry</th><th scope="col" class="num md">Rate</th><th scope="col" class="num md">To go</th><th scope="col" class="num md">Started</th>
      </tr></thead>
      <tbody>
        {items.map((sync) => <Row key={`${sync.queue}/${sync.id}`} sync={sync} />)}
      </tbody>
    </table>
  );
}

function Row({ sync }: { sync: Sync }) {
  const share = shareOf(sync);
  const runs = sync.state === 'active';
  const look = runs ? 'active' : sync.status === 'completed' ? 'completed' : sync.status === 'partial' ? 'delayed' : sync.status === 'failed' ? 'failed' : 'paused';
  return (
    <tr data-sync={sync.id}>
      <th scope="row"><div class="pair"><a class="open break" data-row href={toSync(sync.queue, sync.id)}>{sync.name}</a><span class="faint clip">{sync.queue} · {sync.id}</span></div></th>
      <td class="md break">{sync.org ?? <span class="faint">–</span>}</td>
      <td class="nowrap"><StatusWord status={sync.status} />{sync.needsAttention ? <span class="attention" title="It needs you"><Icon name="warn" small /><span class="sr">needs you</span></span> : null}</td>
      <td class="wide">
        {sync.processed === 0 && !runs ? <span class="faint">not begun</span> : (
          <div class="cell-progress">
            {share === null ? null : <progress class={`st-${look}`} value={share} max={1} aria-label={`Progress of ${sync.name} ${sync.id}`} />}
            <span class="quiet counts">{count(sync.processed)}{sync.total === null ? null : <span class="faint"> / {count(sync.total)}</span>}{share === null || share === 1 ? null : <span class="faint"> · {percent(share)}</span>}</span>
          </div>
        )}
      </td>
      <td class={`num lo md${sync.failed ? '' : ' zero'}`}>{sync.failed ? <span class="word st-failed">{count(sync.failed)}</span> : '0'}</td>
      <td class={`num lo md${sync.retrying ? '' : ' zero'}`}>{sync.retrying ? <span class="word st-delayed">{count(sync.retrying)}</span> : '0'}</td>
      <td class="num md quiet">{runs && sync.rate !== null ? `${rate(sync.rate)}/s` : '–'}</td>
      <td class="num md quiet">{runs && sync.etaSeconds !== null ? age(sync.etaSeconds * 1000) : '–'}</td>
      <td class="num md quiet"><Ago at={sync.startedAt ?? sync.timestamp} suffix=" ago" /></td>
    </tr>
  );
}
