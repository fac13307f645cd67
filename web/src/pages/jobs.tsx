// The list of jobs: search, selection, acts on many, pages.

import type { ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { get, type Query } from '../api/client';
import type { Counts, Job, JobList, LiveEvent } from '../api/types';
import { act, nameOf } from '../acts/job';
import { type Aim, bulk } from '../acts/queue';
import { count, plural } from '../format';
import { countsMoved } from '../live/queues';
import { useResource } from '../live/resource';
import { param, setQuery } from '../router';
import { understand } from '../search';
import { mayDo } from '../session';
import { useKeys } from '../shell/keyboard';
import { show } from '../ui/dialog';
import { Failure } from '../ui/failure';
import { Icon } from '../ui/icon';
import { Empty, Skeleton, STATE_NAMES } from '../ui/parts';
import { Columns } from './columns';
import { JobTable } from './job-table';

const PAGE_SIZE = 50;
const ROUNDS_MAX = 5;
const TYPING_MS = 350;
const GAP_MS = 1000;

interface Props { queue: string; counts: Counts; tabs: ComponentChildren }

/** Progress is written into the row; anything else moves jobs between states, and only Redis knows the order then. */
function withProgress(list: JobList, event: LiveEvent): JobList | undefined {
  if (event.type !== 'job.progress' || !list.items.some((job) => job.id === event.jobId)) return undefined;
  return { ...list, items: list.items.map((job) => (job.id === event.jobId ? { ...job, progress: event.data.progress } : job)) };
}

/** The server looks at so many jobs at a time and then answers with what it has. A page that is not full yet is gone on with, a few times. */
async function fetchPage(queue: string, query: Query, signal: AbortSignal): Promise<JobList> {
  let page = await get<JobList>(['queues', queue, 'jobs'], query, signal);
  for (let round = 1; round < ROUNDS_MAX && page.truncated && page.next && page.items.length < PAGE_SIZE; round += 1) {
    const more = await get<JobList>(['queues', queue, 'jobs'], { ...query, cursor: page.next, limit: PAGE_SIZE - page.items.length }, signal);
    page = { ...more, items: [...page.items, ...more.items], scanned: page.scanned + more.scanned };
  }
  return page;
}

const moves = (event: LiveEvent): boolean => event.type.startsWith('job.') && event.type !== 'job.progress';

export function JobsCard({ queue, counts, tabs }: Props) {
  const state = param('state');
  const text = param('q');
  const cursor = param('cursor');
  const search = understand(text);
  const key = JSON.stringify([queue, state, text]);
  const query = { ...(state ? { state } : {}), ...search.query, limit: PAGE_SIZE, cursor };
  const jobs = useResource<JobList>(`${key} ${cursor}`, (signal) => (search.problem ? Promise.reject(new Error(search.problem)) : fetchPage(queue, query, signal)), {
    when: (event) => moves(event) || countsMoved(event), patch: withProgress, gapMs: GAP_MS,
  });
  const selected = useSelection(key);
  const list = jobs.data.value;
  const error = jobs.error.value;
  const done = (started: boolean): void => {
    if (started) selected.clear();
    jobs.refetch();
  };
  const chosen = (list?.items ?? []).filter((job) => selected.ids.has(job.id));
  const aimed = (focused: string | null): Job[] => (chosen.length ? chosen : (list?.items.filter((job) => job.id === focused) ?? []));
  const onAct = (action: 'retry' | 'cancel', focused: string | null): void => {
    const targets = aimed(focused).filter((job) => job.allowedActions.includes(action));
    if (targets.length === 1 && targets[0] && mayDo(action)) void act(action, targets[0]).then(() => done(chosen.length > 0));
    else if (targets.length > 1 && action === 'retry' && mayDo(action)) void bulk(queue, 'retry', { ids: targets.map((job) => job.id) }).then(done);
  };
  return (
    <section class="card jobs" aria-label="Jobs">
      {tabs}
      <SearchRow text={text} problem={search.problem} understood={search.understood} list={list} columns={() => show((close) => <Columns jobs={list?.items ?? []} close={close} />)} />
      {error && !search.problem ? <Failure error={error} retry={jobs.refetch} /> : null}
      {!list && !error ? <Skeleton rows={8} /> : null}
      {list && list.items.length > 0 ? (
        <JobTable jobs={list.items} selected={selected.ids} onToggle={selected.toggle} onAll={selected.all} onAct={onAct} onRowAct={(action, job) => void act(action, job).then(jobs.refetch)} columns={param('cols').split(',').filter(Boolean)} />
      ) : null}
      {list && list.items.length === 0 ? <Nothing text={text} state={state} list={list} /> : null}
      {list ? <Foot queue={queue} list={list} chosen={chosen} selected={selected} state={state} counts={counts} done={done} /> : null}
    </section>
  );
}

interface Selection { ids: Set<string>; everything: boolean; toggle: (id: string) => void; all: (ids: string[], on: boolean) => void; wide: (on: boolean) => void; clear: () => void }

/** Outlives every update of the list; another filter is another list. */
function useSelection(key: string): Selection {
  const [state, set] = useState<{ key: string; ids: Set<string>; everything: boolean }>({ key, ids: new Set(), everything: false });
  const now = state.key === key ? state : { key, ids: new Set<string>(), everything: false };
  return {
    ids: now.ids,
    everything: now.everything,
    toggle: (id) => set((before) => {
      const ids = new Set(before.key === key ? before.ids : []);
      if (!ids.delete(id)) ids.add(id);
      return { key, ids, everything: false };
    }),
    all: (list, on) => set((before) => {
      const ids = new Set(before.key === key ? before.ids : []);
      for (const id of list) if (on) ids.add(id); else ids.delete(id);
      return { key, ids, everything: false };
    }),
    wide: (on) => set({ ...now, everything: on }),
    clear: () => set({ key, ids: new Set(), everything: false }),
  };
}

interface SearchProps { text: string; problem: string | null; understood: string[]; list: JobList | undefined; columns: () => void }

function SearchRow({ text, problem, understood, list, columns }: SearchProps) {
  const [typed, setTyped] = useState(text);
  const box = useRef<HTMLInputElement>(null);
  const written = useRef(text);
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  useEffect(() => {
    // Back and links change it, too; what is being typed has precedence.
    if (text !== written.current) {
      written.current = text;
      setTyped(text);
    }
  }, [text]);
  useEffect(() => () => clearTimeout(timer.current), []);
  useKeys({ '/': () => box.current?.focus() });
  const write = (value: string): void => {
    clearTimeout(timer.current);
    written.current = value;
    setQuery({ q: value, cursor: '', page: '' }, true);
  };
  const onInput = (value: string): void => {
    setTyped(value);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => write(value), TYPING_MS);
  };
  return (
    <div class="search">
      <form role="search" onSubmit={(event) => { event.preventDefault(); write(typed); }}>
        <Icon name="search" />
        <input
          ref={box} class="input" type="search" aria-label="Search jobs" placeholder="id:20  name:sync  error:429  data.shop:acme" value={typed} spellcheck={false} autoComplete="off"
          autoCapitalize="off" aria-invalid={problem !== null} aria-describedby="search-words" onInput={(event) => onInput(event.currentTarget.value)}
          onKeyDown={(event) => { if (event.key === 'Escape' && typed) { event.stopPropagation(); setTyped(''); write(''); } }}
        />
      </form>
      <button type="button" class="btn ghost s" onClick={columns}><Icon name="columns" small />Columns</button>
      <p id="search-words" class="words">
        {problem ? <span class="input-error">{problem}</span> : understood.map((one) => <span key={one} class="chip">{one}</span>)}
        {!problem && understood.length && list ? <span class="faint">scanned {count(list.scanned)} of {count(list.total)}</span> : null}
      </p>
    </div>
  );
}

function Nothing({ text, state, list }: { text: string; state: string; list: JobList }) {
  if (list.truncated) return <Empty title="Nothing in this part"><p>{count(list.scanned)} of {count(list.total)} jobs were looked at. Next goes on.</p></Empty>;
  if (text) return <Empty title="No job matches"><p>{plural(list.scanned, 'job')} looked at.</p><button type="button" class="btn" onClick={() => setQuery({ q: '', cursor: '', page: '' })}>Clear the search</button></Empty>;
  const name = STATE_NAMES[state as keyof typeof STATE_NAMES];
  return <Empty title={name ? `No ${name.toLowerCase()} jobs` : 'No jobs'}><p>They appear here by themselves.</p></Empty>;
}

interface FootProps { queue: string; list: JobList; chosen: Job[]; selected: Selection; state: string; counts: Counts; done: (started: boolean) => void }

function Foot({ queue, list, chosen, selected, state, done }: FootProps) {
  const n = selected.ids.size;
  const may = (action: 'retry' | 'promote' | 'remove'): boolean => mayDo(action) && chosen.some((job) => job.allowedActions.includes(action));
  const page = Number(param('page')) || 1;
  const wholePage = list.items.length > 0 && list.items.every((job) => selected.ids.has(job.id));
  const { id, ...filter } = understand(param('q')).query;
  const oneState = state !== '' && !state.includes(',');
  const offerAll = wholePage && list.next !== null && !id && oneState;
  const aim: Aim = selected.everything ? { filter: { state, ...filter }, matching: list.total } : { ids: [...selected.ids] };
  const one = chosen.length === 1 ? chosen[0] : undefined;
  return (
    <footer class={`sel${n ? ' on' : ''}`}>
      {n ? (
        <>
          <strong>{selected.everything ? 'All matching selected' : `${count(n)} selected`}</strong>
          {offerAll && !selected.everything ? <button type="button" class="btn ghost s" onClick={() => selected.wide(true)}>Select all matching</button> : null}
          {may('retry') ? <button type="button" class="btn s" onClick={() => void bulk(queue, 'retry', aim).then(done)}><Icon name="retry" small />Retry</button> : null}
          {may('promote') ? <button type="button" class="btn s" onClick={() => void bulk(queue, 'promote', aim).then(done)}><Icon name="play" small />Run now</button> : null}
          {one?.allowedActions.includes('cancel') && mayDo('cancel') ? <button type="button" class="btn s" onClick={() => void act('cancel', one).then(done)}><Icon name="stop" small />Cancel {nameOf(one)}</button> : null}
          {may('remove') ? <button type="button" class="btn s danger" onClick={() => void bulk(queue, 'remove', aim).then(done)}><Icon name="trash" small />Remove</button> : null}
          <button type="button" class="btn ghost s" onClick={selected.clear}>Clear</button>
        </>
      ) : <span>{plural(list.total, 'job')}{list.truncated ? `, ${count(list.scanned)} looked at` : ''}</span>}
      <span class="pages">
        {page > 1 ? <button type="button" class="btn s" onClick={() => history.back()}><Icon name="left" small />Back</button> : null}
        {page > 1 || list.next ? <span>page {page}</span> : null}
        {list.next ? <button type="button" class="btn s" onClick={() => setQuery({ cursor: list.next ?? '', page: String(page + 1) })}>Next<Icon name="right" small /></button> : null}
      </span>
    </footer>
  );
}
