// Items that did not simply go well, by state, each with the sink's words.

import { useEffect, useState } from 'preact/hooks';
import { get } from '../../api/client';
import type { ItemState, SyncDetail, SyncNote } from '../../api/types';
import { refusal } from '../../acts/job';
import { count, plural } from '../../format';
import { param, setQuery } from '../../router';
import { mayDo } from '../../session';
import { Icon } from '../../ui/icon';
import { Empty } from '../../ui/parts';
import { toast } from '../../ui/toasts';
import { actOn } from './acts';

const TABS: [ItemState, string, string][] = [['failed', 'Failed', 'failed'], ['retrying', 'To push again', 'delayed'], ['skipped', 'Passed over', 'paused']];
const PAGE = 200;

export function Items({ sync, refetch }: { sync: SyncDetail; refetch: () => void }) {
  const asked = param('items') as ItemState;
  const best = TABS.find(([state]) => sync[state] > 0)?.[0] ?? 'failed';
  const tab = TABS.some(([state]) => state === asked) ? asked : best;
  return (
    <section class="card items" aria-label="Items">
      <nav class="tabs" aria-label="Items by state">
        {TABS.map(([state, word, look]) => (
          <button key={state} type="button" class={`st-${look}`} aria-current={state === tab ? 'page' : undefined} onClick={() => setQuery({ items: state }, true)}>{word}<span class="n">{count(sync[state])}</span></button>
        ))}
      </nav>
      <List key={tab} sync={sync} state={tab} refetch={refetch} />
      {sync.itemsDropped ? <p class="body quiet slowest">{plural(sync.itemsDropped, 'further item')} {sync.itemsDropped === 1 ? 'is' : 'are'} only counted: notes are kept of so many.</p> : null}
    </section>
  );
}

function List({ sync, state, refetch }: { sync: SyncDetail; state: ItemState; refetch: () => void }) {
  const [more, setMore] = useState<{ items: SyncNote[]; next: string | null } | null>(null);
  const [picked, setPicked] = useState<ReadonlySet<string>>(new Set());
  const known = sync.items[state] ?? [];
  const items = [...new Map([...known, ...(more?.items ?? [])].map((one) => [one.id, one])).values()].sort((a, b) => a.id.localeCompare(b.id, 'en', { numeric: true }));
  const mayPick = state === 'failed' && sync.allowedActions.includes('retry-items') && mayDo('retry-items');
  const chosen = items.filter((one) => picked.has(one.id)).map((one) => one.id);
  useEffect(() => setMore(null), [sync.state]);
  const load = async (): Promise<void> => {
    try {
      const page = await get<{ items: SyncNote[]; next: string | null }>(['syncs', sync.queue, sync.id, 'items'], { state, limit: PAGE, cursor: more?.next ?? undefined });
      setMore({ items: [...(more?.items ?? []), ...page.items], next: page.next });
    } catch (error) {
      toast(refusal(error), 'error');
    }
  };
  const pick = (id: string): void => {
    const next = new Set(picked);
    if (!next.delete(id)) next.add(id);
    setPicked(next);
  };
  if (items.length === 0) return <Empty title={state === 'failed' ? 'No item has failed' : state === 'retrying' ? 'No item waits to be pushed again' : 'No item was passed over'} />;
  const hasMore = more ? more.next !== null : sync.itemsTruncated && known.length < sync[state];
  return (
    <>
      <div class="items-scroll" tabIndex={0} role="region" aria-label={`Items: ${state}`}>
        <table class="table">
          <thead><tr>{mayPick ? <th scope="col" class="pick"><input type="checkbox" aria-label="Select all shown" checked={chosen.length === items.length} onChange={() => setPicked(chosen.length === items.length ? new Set() : new Set(items.map((one) => one.id)))} /></th> : null}
            <th scope="col">Item</th><th scope="col" class="wide">Reason</th><th scope="col" class="num">Tries</th></tr></thead>
          <tbody>
            {items.map((one) => (
              <tr key={one.id} data-item={one.id} aria-selected={picked.has(one.id)}>
                {mayPick ? <td class="pick"><input type="checkbox" aria-label={`Select item ${one.id}`} checked={picked.has(one.id)} onChange={() => pick(one.id)} /></td> : null}
                <th scope="row" class="mono break">{one.id}</th>
                <td class="wide break">{one.message ?? <span class="faint">no reason was given</span>}{one.code ? <span class="tag code">{one.code}</span> : null}</td>
                <td class="num">{count(one.tries)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {hasMore || chosen.length ? (
        <footer class="sel">
          {chosen.length ? <><span>{count(chosen.length)} selected</span><button type="button" class="btn s" onClick={() => void actOn('retry-items', sync, chosen).then((done) => { if (done) setPicked(new Set()); refetch(); })}><Icon name="retry" small />Push {count(chosen.length)} again</button></> : null}
          {hasMore ? <button type="button" class="btn s" onClick={() => void load()}>Show more</button> : null}
        </footer>
      ) : null}
    </>
  );
}
