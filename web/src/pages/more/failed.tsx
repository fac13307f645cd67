// Failed jobs of all queues, grouped by what went wrong: forty times the same error is one line.

import { get } from '../../api/client';
import type { FailedGroup, FailedGroups } from '../../api/types';
import { bulkIn } from '../../acts/queue';
import { count, plural } from '../../format';
import { countsMoved } from '../../live/queues';
import { useResource } from '../../live/resource';
import { param, toJob, toQueue } from '../../router';
import { mayDo } from '../../session';
import { Icon } from '../../ui/icon';
import { Ago, Empty } from '../../ui/parts';
import { useRows } from '../../ui/rows';
import { Answer, QueuePicker, Title } from './frame';

const GAP_MS = 3000;
const MASK = '#';

export function FailedPage() {
  const queue = param('queue');
  const groups = useResource<FailedGroups>(`failed ${queue}`, (signal) => get(['failed'], { groupBy: 'error', queue }, signal), {
    when: (event) => /^job\.(failed|retrying|removed)$/.test(event.type) || countsMoved(event), gapMs: GAP_MS,
  });
  const data = groups.data.value;
  const total = data?.items.reduce((n, group) => n + group.count, 0) ?? 0;
  return (
    <>
      <Title text="Failed" sub={data ? `${plural(total, 'job')} in ${plural(data.items.length, 'group')}${data.truncated ? `, of the newest ${count(data.scanned)}` : ''}. Numbers in messages are masked as #.` : 'By error, over all queues.'}><QueuePicker /></Title>
      <Answer resource={groups}>{(answer) => answer.items.length === 0 ? <div class="card"><Empty title="Nothing has failed"><p>Jobs that have used up their tries appear here.</p></Empty></div> : <Groups items={answer.items} refetch={groups.refetch} />}</Answer>
    </>
  );
}

/** The longest plain part of a signature: what a search for the group's jobs can look for. */
function sought(signature: string): string {
  return signature.split(MASK).map((part) => part.trim()).sort((a, b) => b.length - a.length)[0] ?? '';
}

function Groups({ items, refetch }: { items: FailedGroup[]; refetch: () => void }) {
  const rows = useRows();
  return (
    <section class="card card-scroll" aria-label="Groups">
      <table class="table groups" ref={rows}>
        <thead><tr><th scope="col" class="num">Jobs</th><th scope="col" class="wide">Error</th><th scope="col" class="md">Queues</th><th scope="col" class="lo md">Names</th><th scope="col" class="num md">First</th><th scope="col" class="num">Last</th><th scope="col"><span class="sr">Acts</span></th></tr></thead>
        <tbody>{items.map((group) => <Group key={`${group.reason} ${group.signature}`} group={group} refetch={refetch} />)}</tbody>
      </table>
    </section>
  );
}

function Group({ group, refetch }: { group: FailedGroup; refetch: () => void }) {
  const queues = Object.entries(group.queues);
  const text = sought(group.signature);
  const search = text ? `error:"${text.replaceAll('"', '')}"` : '';
  const [only] = queues.length === 1 ? queues : [];
  const href = only ? toQueue(only[0], { state: 'failed', q: search }) : toJob(group.newest.queue, group.newest.id);
  const run = (action: 'retry' | 'remove'): void => {
    const filter = { state: 'failed', ...(text ? { error: text } : {}) };
    const which = text ? `Every failed job whose error contains “${text}”.` : 'Every failed job of these queues: their errors have no text to tell them apart.';
    void bulkIn(queues.map(([queue, matching]) => ({ queue, filter, matching })), action, which).then(refetch);
  };
  return (
    <tr>
      <td class="num"><strong>{count(group.count)}</strong></td>
      <th scope="row" class="wide"><div class="pair"><a class="open reason clip" data-row href={href} title={group.signature}>{group.signature || '(no message)'}</a><span class="faint clip">{group.reason ? <span class="tag">{group.reason}</span> : null}<span class="wide-only"> newest: <a class="link" href={toJob(group.newest.queue, group.newest.id)}>{group.newest.queue} {group.newest.id}</a></span></span></div></th>
      <td class="md">{queues.slice(0, 3).map(([queue, n]) => <div key={queue} class="clip"><a href={toQueue(queue, { state: 'failed', q: search })}>{queue}</a> <span class="faint">{count(n)}</span></div>)}{queues.length > 3 ? <span class="faint">and {queues.length - 3} more</span> : null}</td>
      <td class="lo md quiet clip cell">{group.names.join(', ')}</td>
      <td class="num md quiet"><Ago at={group.firstOn} /></td>
      <td class="num quiet"><Ago at={group.lastOn} /></td>
      <td class="num">
        {mayDo('retry') ? <button type="button" class="btn s" onClick={() => run('retry')}><Icon name="retry" small />Retry</button> : null}{' '}
        {mayDo('remove') ? <button type="button" class="btn ghost s square" aria-label="Remove this group" title="Remove this group" onClick={() => run('remove')}><Icon name="trash" small /></button> : null}
      </td>
    </tr>
  );
}
