// Requests to the API this page was served by. Knows addresses, headers, errors; never what an answer means.

import { signal } from '@preact/signals';
import { API } from '../base';
import { parse } from './json';

/** What the server says of a refused request (RFC 9457). */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly title: string,
    readonly detail: string,
    readonly type: string,
    readonly allowedActions: string[],
  ) {
    super(detail || title);
  }
}

/** No answer at all. */
export class Unreachable extends Error {
  constructor() {
    super('the server does not answer');
  }
}

const REQUEST_MS_MAX = 30_000;

/** True once the server has asked for a sign-in. */
export const signedOut = signal(false);
/** Server's clock minus ours, ms. Ages are told by the server's clock: those of people's machines are often wrong. */
export const clockSkewMs = signal(0);

export type Query = Record<string, string | number | boolean | string[] | undefined>;

/** The address of an API path given as segments. */
export function address(segments: readonly string[], query: Query = {}): string {
  const url = new URL(segments.map(encodeURIComponent).join('/'), API);
  for (const [name, value] of Object.entries(query)) {
    if (value === undefined || value === '' || value === false) continue;
    for (const one of Array.isArray(value) ? value : [value]) url.searchParams.append(name, String(one));
  }
  return url.href;
}

export interface Options {
  query?: Query;
  body?: unknown;
  signal?: AbortSignal;
  headers?: Record<string, string>;
}

export async function call<T>(method: string, segments: readonly string[], options: Options = {}): Promise<T> {
  const headers: Record<string, string> = { accept: 'application/json', ...options.headers };
  // The server takes it as the sign that one of its own pages asks, which forms of other sites cannot send.
  if (method !== 'GET') headers['x-requested-with'] = 'bullock';
  const init: RequestInit = { method, headers, credentials: 'same-origin', signal: limited(options.signal) };
  if (options.body !== undefined) {
    headers['content-type'] = 'application/json';
    init.body = JSON.stringify(options.body);
  }
  let response: Response;
  let text: string;
  try {
    response = await fetch(address(segments, options.query), init);
    text = await response.text();
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new Unreachable();
  }
  readClock(response);
  if (!response.ok) throw problem(response.status, text);
  return (text ? parse(text) : undefined) as T;
}

function limited(given?: AbortSignal): AbortSignal {
  const limit = AbortSignal.timeout(REQUEST_MS_MAX);
  return given ? AbortSignal.any([given, limit]) : limit;
}

function readClock(response: Response): void {
  const date = Date.parse(response.headers.get('date') ?? '');
  // It has whole seconds only: less than that is no difference.
  if (Number.isFinite(date)) {
    const skew = date + 500 - Date.now();
    if (Math.abs(skew - clockSkewMs.value) > 1500) clockSkewMs.value = Math.abs(skew) < 1500 ? 0 : skew;
  }
}

function problem(status: number, text: string): Problem {
  if (status === 401) signedOut.value = true;
  let body: Record<string, unknown> = {};
  try {
    body = JSON.parse(text) as Record<string, unknown>;
  } catch {
    // A proxy between us and the server answered: its status is all there is.
  }
  const word = (name: string): string => (typeof body[name] === 'string' ? body[name] : '');
  const actions = Array.isArray(body.allowedActions) ? body.allowedActions.map(String) : [];
  return new Problem(status, word('title') || `HTTP ${status}`, word('detail'), word('type').split(/[:/]/).pop() ?? '', actions);
}

export const get = <T>(segments: readonly string[], query?: Query, signal?: AbortSignal): Promise<T> =>
  call<T>('GET', segments, { query, signal });
export const post = <T>(segments: readonly string[], body: unknown = {}, headers?: Record<string, string>): Promise<T> =>
  call<T>('POST', segments, { body, headers });
