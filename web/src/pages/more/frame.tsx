// What these pages share: a title, and a body as soon as there is an answer.

import type { ComponentChildren } from 'preact';
import { Problem } from '../../api/client';
import { duration } from '../../format';
import { queueList } from '../../live/queues';
import type { Resource } from '../../live/resource';
import { param, setQuery, toJob } from '../../router';
import { Failure } from '../../ui/failure';
import { Icon } from '../../ui/icon';
import { Empty, Skeleton } from '../../ui/parts';

export function Title({ text, above, sub, children }: { text: string; above?: ComponentChildren; sub?: ComponentChildren; children?: ComponentChildren }) {
  return (
    <header class="page-head">
      <div>{above ? <nav class="crumbs" aria-label="Above">{above}</nav> : null}<h1>{text}</h1>{sub ? <p class="sub">{sub}</p> : null}</div>
      {children ? <div class="row wrap">{children}</div> : null}
    </header>
  );
}

/** `optional` = servers of other versions have no such route. */
export function Answer<T>({ resource, optional, children }: { resource: Resource<T>; optional?: boolean; children: (data: T) => ComponentChildren }) {
  const data = resource.data.value;
  const error = resource.error.value;
  if (data !== undefined) return <>{children(data)}</>;
  if (optional && error instanceof Problem && error.status === 404) return <div class="card"><Empty title="This server does not have it"><p>It is of another version than this page, or was started without it.</p></Empty></div>;
  return error ? <Failure error={error} retry={resource.refetch} /> : <Skeleton />;
}

/** One queue or all, kept in the address. */
export function QueuePicker() {
  const chosen = param('queue');
  const names = (queueList.data.value?.items ?? []).map((queue) => queue.name);
  if (chosen && !names.includes(chosen)) names.unshift(chosen);
  return (
    <select class="input" aria-label="Queue" value={chosen} onChange={(event) => setQuery({ queue: event.currentTarget.value, cursor: '' })}>
      <option value="">All queues</option>
      {names.map((name) => <option key={name} value={name}>{name}</option>)}
    </select>
  );
}

/** A text that the list is filtered by, kept in the address. */
export function FilterField({ name, label }: { name: string; label: string }) {
  return <input class="input narrow" type="search" aria-label={label} placeholder={label} value={param(name)} onChange={(event) => setQuery({ [name]: event.currentTarget.value.trim(), cursor: '' }, true)} />;
}

/** Below a list that is read page by page; nothing where one page is all. */
export function Pager({ next }: { next: string | null }) {
  const cursor = param('cursor');
  if (!cursor && !next) return null;
  return (
    <footer class="sel"><span class="pages">
      {cursor ? <button type="button" class="btn s" onClick={() => history.back()}><Icon name="left" small />Back</button> : null}
      {next ? <button type="button" class="btn s" onClick={() => setQuery({ cursor: next })}>Older<Icon name="right" small /></button> : null}
    </span></footer>
  );
}

const SLOWEST = 5;
/** Longer ids are those that libraries make up, and nobody reads them. */
const ID_CHARS = 16;

interface Run { id: string; name: string; runMs: number }

export function Slowest({ queue, runs }: { queue: string; runs: Run[] }) {
  if (runs.length === 0) return null;
  return (
    <p class="body quiet slowest">Slowest: {runs.slice(0, SLOWEST).map(({ id, name, runMs }, i) => (
      <span key={i}>{i ? ', ' : ''}<a class="link" href={toJob(queue, id)} title={id}>{name} {id.length > ID_CHARS ? `${id.slice(0, 8)}…` : id}</a> {duration(runMs)}</span>
    ))}</p>
  );
}
