// The one event stream of this tab. Knows how to open, close and heal it; pages say what they want to hear of.
//
// Browsers allow six connections to a host over HTTP/1.1, so a hidden tab closes its stream. Whoever comes back, after
// being hidden, cut off or told to resync, refetches what is shown: nothing here is remembered as the truth.

import { signal } from '@preact/signals';
import { address, get, signedOut } from '../api/client';
import { parse } from '../api/json';
import type { LiveEvent, Session } from '../api/types';

export type LiveState = 'connecting' | 'live' | 'offline' | 'paused';

export interface Filter { queue?: string[]; type?: string[]; job?: string[] }
type Hearer = (event: LiveEvent) => void;
type Refetch = () => void;

const RETRY_MS_MIN = 500;
const RETRY_MS_MAX = 5000;
export const live = signal<LiveState>('connecting');
/** Events held back while paused. */
export const missed = signal(0);

const hearers = new Set<Hearer>();
const refetches = new Set<Refetch>();
let filter: Filter = {};
let source: EventSource | null = null;
let retryMs = RETRY_MS_MIN;
let timer: ReturnType<typeof setTimeout> | undefined;
let paused = false;
let stale = false;
let started = false;

/** What the page shown now wants to hear of. The same wish again changes nothing. */
export function listenTo(wanted: Filter): void {
  if (source !== null && JSON.stringify(wanted) === JSON.stringify(filter)) return;
  filter = wanted;
  started = true;
  // Pages ask in the same turn in which the old page goes: one stream for both.
  queueMicrotask(reopen);
}

/** Calls `hear` with every event until the returned function is called. */
export function onEvent(hear: Hearer): () => void {
  hearers.add(hear);
  return () => hearers.delete(hear);
}

/** Calls `refetch` whenever events may have been missed. */
export function onGap(refetch: Refetch): () => void {
  refetches.add(refetch);
  return () => refetches.delete(refetch);
}

export function togglePause(): void {
  paused = !paused;
  if (paused) {
    live.value = 'paused';
  } else {
    missed.value = 0;
    live.value = source?.readyState === EventSource.OPEN ? 'live' : 'connecting';
    refetchAll();
  }
}

function refetchAll(): void {
  for (const refetch of refetches) refetch();
}

function reopen(): void {
  clearTimeout(timer);
  source?.close();
  source = null;
  if (!started || document.hidden || signedOut.value) return;
  if (!paused && live.value !== 'offline') live.value = live.value === 'live' ? 'live' : 'connecting';
  const opened = new EventSource(address(['events'], { ...filter }), { withCredentials: true });
  source = opened;
  opened.onopen = () => {
    retryMs = RETRY_MS_MIN;
    if (!paused) live.value = 'live';
    if (stale && !paused) refetchAll();
    stale = false;
  };
  opened.onmessage = (message: MessageEvent<string>) => hear(message.data);
  opened.onerror = () => {
    if (source === opened) void lost();
  };
}

function hear(text: string): void {
  let event: LiveEvent;
  try {
    event = parse(text) as LiveEvent;
  } catch {
    return;
  }
  if (paused) {
    missed.value += 1;
  } else if (event.type === 'resync') {
    refetchAll();
  } else {
    for (const one of hearers) one(event);
  }
}

/** The browser would try again by itself, but not after an error status, and it does not say which one it was. */
async function lost(): Promise<void> {
  source?.close();
  source = null;
  stale = true;
  if (!paused) live.value = 'offline';
  clearTimeout(timer);
  timer = setTimeout(() => void probe(), retryMs);
  retryMs = Math.min(RETRY_MS_MAX, retryMs * 1.6);
}

async function probe(): Promise<void> {
  if (document.hidden) return;
  try {
    const session = await get<Session>(['session']);
    if (!session.authenticated && session.loginNeeded) signedOut.value = true;
    else reopen();
  } catch {
    await lost();
  }
}

document.addEventListener('visibilitychange', () => {
  if (!started) return;
  if (document.hidden) {
    clearTimeout(timer);
    source?.close();
    source = null;
    stale = true;
  } else {
    retryMs = RETRY_MS_MIN;
    reopen();
  }
});

// Who is signed out hears nothing more; signing in opens the page, and that the stream.
signedOut.subscribe((is) => {
  if (!is) return;
  clearTimeout(timer);
  source?.close();
  source = null;
});

// A page in the browser's back-forward cache must not hold a connection.
addEventListener('pagehide', () => source?.close());
addEventListener('pageshow', (event) => {
  if (event.persisted) {
    stale = true;
    reopen();
  }
});
