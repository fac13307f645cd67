// The finder: pages, queues, and a job by its id, from anywhere.

import { useMemo, useRef, useState } from 'preact/hooks';
import { queueList } from '../live/queues';
import { go, place, to, toJob, toQueue } from '../router';
import { show } from '../ui/dialog';
import { Icon, type IconName } from '../ui/icon';
import { PAGES } from './pages';

interface Hit { icon: IconName; text: string; note: string; href: string }

const HITS_MAX = 12;

export function openFinder(): void {
  show((close) => <Finder close={close} />);
}

function hits(text: string): Hit[] {
  const words = text.trim().toLowerCase();
  const queues = queueList.data.value?.items ?? [];
  const here = place.value.path[0] === 'queues' ? place.value.path[1] : undefined;
  const found: Hit[] = [];
  const [first = '', id] = text.trim().split(/\s+/, 2);
  const named = id ? queues.filter((queue) => queue.name.toLowerCase().includes(first.toLowerCase())) : [];
  for (const queue of named.slice(0, 3)) if (id) found.push({ icon: 'right', text: id, note: `job in ${queue.name}`, href: toJob(queue.name, id) });
  if (here && words && !id) found.push({ icon: 'search', text: `Search ${here} for “${text.trim()}”`, note: '', href: toQueue(here, { q: text.trim() }) });
  for (const queue of queues) {
    if (queue.name.toLowerCase().includes(words)) found.push({ icon: 'columns', text: queue.name, note: 'queue', href: toQueue(queue.name) });
  }
  for (const page of PAGES) {
    if (page.name.toLowerCase().includes(words)) found.push({ icon: 'right', text: page.name, note: 'page', href: to(page.path) });
  }
  return found.slice(0, HITS_MAX);
}

function Finder({ close }: { close: () => void }) {
  const [text, setText] = useState('');
  const [at, setAt] = useState(0);
  const box = useRef<HTMLUListElement>(null);
  const found = useMemo(() => hits(text), [text, queueList.data.value]);
  const choose = (hit: Hit | undefined): void => {
    if (!hit) return;
    close();
    go(hit.href);
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    const step = event.key === 'ArrowDown' ? 1 : event.key === 'ArrowUp' ? -1 : 0;
    if (step) {
      event.preventDefault();
      const next = (at + step + found.length) % Math.max(1, found.length);
      setAt(next);
      box.current?.children[next]?.scrollIntoView({ block: 'nearest' });
    } else if (event.key === 'Enter') {
      event.preventDefault();
      choose(found[at]);
    }
  };
  return (
    <section class="find">
      <h2 class="sr">Find</h2>
      <div class="find-box">
        <Icon name="search" />
        <input
          placeholder="A queue, a page, or a queue and a job’s id" aria-label="Find" role="combobox" aria-expanded="true" aria-controls="found"
          aria-activedescendant={found[at] ? `found-${at}` : undefined} autoComplete="off" spellcheck={false} value={text} onKeyDown={onKeyDown}
          onInput={(event) => { setText(event.currentTarget.value); setAt(0); }}
        />
        <kbd>esc</kbd>
      </div>
      <ul id="found" role="listbox" aria-label="Found" ref={box}>
        {found.map((hit, i) => (
          <li key={hit.href} id={`found-${i}`} role="option" aria-selected={i === at} onMouseMove={() => setAt(i)} onClick={() => choose(hit)}>
            <Icon name={hit.icon} small /><span class="clip">{hit.text}</span><span class="faint">{hit.note}</span>
          </li>
        ))}
      </ul>
      {found.length === 0 ? <p class="faint none">Nothing is called that. A job: its queue, a space, its id.</p> : null}
    </section>
  );
}
