// A job's log lines; followed while it runs. Nobody tells of a new line, so it is asked for, only while it is looked at.

import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { get } from '../api/client';
import type { LogPage } from '../api/types';
import { live } from '../live/stream';
import { count } from '../format';

const PAGE_LINES = 500;
const SHOWN_LINES_MAX = 5000;
const FOLLOW_MS = 1000;
const BOTTOM_PX = 24;

interface Props { queue: string; id: string; total: number; following: boolean }

export function Logs({ queue, id, total, following }: Props) {
  const [lines, setLines] = useState<string[]>([]);
  const [from, setFrom] = useState(Math.max(0, total - PAGE_LINES));
  const [known, setKnown] = useState(total);
  const [loaded, setLoaded] = useState(false);
  const box = useRef<HTMLPreElement>(null);
  const stuck = useRef(true);
  const next = useRef(from);

  useEffect(() => {
    const abort = new AbortController();
    let timer: ReturnType<typeof setTimeout>;
    const look = async (): Promise<void> => {
      if (!document.hidden && live.value !== 'paused') {
        try {
          const page = await get<LogPage>(['queues', queue, 'jobs', id, 'logs'], { cursor: String(next.current), limit: PAGE_LINES }, abort.signal);
          next.current = page.from + page.items.length;
          if (page.items.length) setLines((before) => [...before, ...page.items].slice(-SHOWN_LINES_MAX));
          setKnown(page.total);
          setLoaded(true);
        } catch {
          // The chip in the header says when the server is away; the next look heals it.
        }
      }
      if (!abort.signal.aborted && (following || next.current < total)) timer = setTimeout(() => void look(), FOLLOW_MS);
    };
    void look();
    return () => {
      abort.abort();
      clearTimeout(timer);
    };
  }, [queue, id, following, total]);

  useLayoutEffect(() => {
    if (stuck.current && box.current) box.current.scrollTop = box.current.scrollHeight;
  }, [lines]);

  const earlier = async (): Promise<void> => {
    const start = Math.max(0, from - PAGE_LINES);
    const page = await get<LogPage>(['queues', queue, 'jobs', id, 'logs'], { cursor: String(start), limit: from - start });
    stuck.current = false;
    setLines([...page.items, ...lines]);
    setFrom(start);
  };
  const onScroll = (): void => {
    const element = box.current;
    if (element) stuck.current = element.scrollHeight - element.scrollTop - element.clientHeight < BOTTOM_PX;
  };
  if (loaded && lines.length === 0) return <p class="quiet">{following ? 'No lines yet. They appear here as the job writes them.' : 'The job wrote no log.'}</p>;
  return (
    <div class="stack tight">
      <div class="row spread">
        <span class="faint">{count(known)} lines{from > 0 ? `, the first ${count(from)} not shown` : ''}</span>
        {following ? <span class="word st-active"><span class="dot" aria-hidden="true" />following</span> : null}
      </div>
      {from > 0 ? <button type="button" class="btn s" onClick={() => void earlier()}>Show earlier lines</button> : null}
      <pre class="code log" ref={box} tabIndex={0} aria-label="Log lines" onScroll={onScroll}>{lines.map((line, i) => <span key={from + i}>{line}{'\n'}</span>)}</pre>
    </div>
  );
}
