// What a page shows of the API: fetched, refetched when events say so, never twice at a time, dropped when the page goes.

import { useEffect, useMemo } from 'preact/hooks';
import { type Signal, signal } from '@preact/signals';
import type { LiveEvent } from '../api/types';
import { live, onEvent, onGap } from './stream';

export interface Resource<T> {
  data: Signal<T | undefined>;
  error: Signal<Error | undefined>;
  /** When the shown data was asked for, ms by the browser's clock. */
  at: Signal<number>;
  refetch: () => void;
}

interface Options<T> {
  /** Which events make the data old. */
  when?: (event: LiveEvent) => boolean;
  /** Writes an event into the data without asking again; undefined = it changes nothing. */
  patch?: (data: T, event: LiveEvent) => T | undefined;
  /** Least time between two requests, ms. */
  gapMs?: number;
  /** Ask again this long after the last answer, however quiet it is. */
  everyMs?: number;
  /** Ask once more this long after an event: for rates, which fall without an event. */
  settleMs?: number;
}

const GAP_MS = 1000;

/** `key` names what is fetched: another key is another resource. */
export function useResource<T>(key: string, fetcher: (signal: AbortSignal) => Promise<T>, options: Options<T> = {}): Resource<T> {
  const resource = useMemo(() => new Loader<T>(fetcher, options), [key]);
  resource.fetcher = fetcher;
  resource.options = options;
  useEffect(() => resource.start(), [resource]);
  return resource;
}

/** Also for what several pages share: then somebody starts it once. */
export class Loader<T> implements Resource<T> {
  readonly data = signal<T | undefined>(undefined);
  readonly error = signal<Error | undefined>(undefined);
  readonly at = signal(0);
  #abort: AbortController | null = null;
  #again = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #settle: ReturnType<typeof setTimeout> | undefined;
  #asked = 0;

  constructor(public fetcher: (signal: AbortSignal) => Promise<T>, public options: Options<T> = {}) {}

  start(): () => void {
    const stopHearing = onEvent((event) => this.#hear(event));
    const stopGaps = onGap(() => this.#soon());
    void this.#load();
    return () => {
      stopHearing();
      stopGaps();
      this.#abort?.abort();
      this.#abort = null;
      clearTimeout(this.#timer);
      clearTimeout(this.#settle);
    };
  }

  refetch = (): void => {
    clearTimeout(this.#timer);
    void this.#load();
  };

  #hear(event: LiveEvent): void {
    const { patch, when, settleMs } = this.options;
    const data = this.data.value;
    const old = when?.(event) ?? false;
    const patched = patch && data !== undefined ? patch(data, event) : undefined;
    if (patched !== undefined) this.data.value = patched;
    if (!old) return;
    this.#soon();
    if (settleMs) {
      clearTimeout(this.#settle);
      this.#settle = setTimeout(() => this.#soon(), settleMs);
    }
  }

  /** Refetches, not before the gap is over. */
  #soon(): void {
    if (this.#abort) {
      this.#again = true;
      return;
    }
    clearTimeout(this.#timer);
    const gap = this.options.gapMs ?? GAP_MS;
    this.#timer = setTimeout(() => void this.#load(), Math.max(0, this.#asked + gap - Date.now()));
  }

  async #load(): Promise<void> {
    if (this.#abort) {
      this.#again = true;
      return;
    }
    const abort = new AbortController();
    this.#abort = abort;
    this.#again = false;
    this.#asked = Date.now();
    try {
      const data = await this.fetcher(abort.signal);
      if (abort.signal.aborted) return;
      this.data.value = data;
      this.at.value = this.#asked;
      this.error.value = undefined;
    } catch (error) {
      if (abort.signal.aborted) return;
      this.error.value = error instanceof Error ? error : new Error(String(error));
    }
    this.#abort = null;
    if (this.#again) this.#soon();
    else this.#later();
  }

  #later(): void {
    const { everyMs } = this.options;
    if (!everyMs) return;
    this.#timer = setTimeout(() => {
      if (document.hidden || live.value === 'paused') this.#later();
      else void this.#load();
    }, everyMs);
  }
}
