// Where the reader is. The whole view is in the address: it can be sent to somebody, and Back works.
//
//   /queues/woo%3Acustomers?state=failed&error=401

import { signal } from '@preact/signals';
import { BASE } from './base';

export interface Place {
  /** Decoded segments: ['queues', 'woo:customers']. */
  path: string[];
  query: URLSearchParams;
}

export type Query = Record<string, string | undefined>;

function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}

function read(): Place {
  const path = location.pathname.startsWith(BASE.pathname) ? location.pathname.slice(BASE.pathname.length) : '';
  return { path: path.split('/').filter(Boolean).map(decoded), query: new URLSearchParams(location.search) };
}

export const place = signal<Place>(read());

/** A part of the query, '' when it is not there. */
export const param = (name: string): string => place.value.query.get(name) ?? '';

/** The address of a view, for href. */
export function to(path: readonly string[], query: Query = {}): string {
  const filled = Object.entries(query).filter((pair): pair is [string, string] => !!pair[1]);
  const search = new URLSearchParams(filled).toString();
  return `${BASE.pathname}${path.map(encodeURIComponent).join('/')}${search ? `?${search}` : ''}`;
}

export const toQueue = (queue: string, query: Query = {}): string => to(['queues', queue], query);
export const toJob = (queue: string, id: string, query: Query = {}): string => to(['queues', queue, 'jobs', id], query);

export const toSync = (queue: string, id: string): string => to(['syncs', queue, id]);

export function go(address: string, replace = false): void {
  if (address === location.pathname + location.search) return;
  const elsewhere = new URL(address, location.href).pathname !== location.pathname;
  if (replace) history.replaceState(null, '', address);
  else history.pushState(null, '', address);
  place.value = read();
  if (elsewhere) scrollTo(0, 0);
}

/** Changes parts of the query; what is empty goes. */
export function setQuery(change: Query, replace = false): void {
  const { path, query } = place.value;
  go(to(path, { ...Object.fromEntries(query), ...change }), replace);
}

addEventListener('popstate', () => (place.value = read()));

// Links are plain <a href>: the middle button, "open in a new tab" and "copy link" work.
document.addEventListener('click', (event) => {
  if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  const link = (event.target as Element).closest('a');
  if (!link?.href || link.target || link.hasAttribute('download') || link.origin !== location.origin) return;
  if (!link.pathname.startsWith(BASE.pathname) || link.pathname.startsWith(`${BASE.pathname}api/`)) return;
  if (link.hash) return;
  event.preventDefault();
  go(link.pathname + link.search);
});
