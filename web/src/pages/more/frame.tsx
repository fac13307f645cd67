// What these pages share: a title, and a body as soon as there is an answer.

import type { ComponentChildren } from 'preact';
import { Problem } from '../../api/client';
import { queueList } from '../../live/queues';
import type { Resource } from '../../live/resource';
import { param, setQuery } from '../../router';
import { Failure } from '../../ui/failure';
import { Empty, Skeleton } from '../../ui/parts';

export function Title({ text, sub, children }: { text: string; sub?: ComponentChildren; children?: ComponentChildren }) {
  return (
    <header class="page-head">
      <div><h1>{text}</h1>{sub ? <p class="sub">{sub}</p> : null}</div>
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
