// Results of the reader's own actions, in a live region. Events of the queue never come here.

import { signal } from '@preact/signals';
import { Icon } from './icon';

interface Toast { key: number; text: string; kind: 'done' | 'error'; href?: string; link?: string }

const SHOWN_MS = 6000;
const ERROR_SHOWN_MS = 15_000;
const SHOWN_MAX = 4;
const toasts = signal<Toast[]>([]);
let last = 0;

export function toast(text: string, kind: Toast['kind'] = 'done', link?: { href: string; text: string }): void {
  const key = ++last;
  toasts.value = [...toasts.value, { key, text, kind, href: link?.href, link: link?.text }].slice(-SHOWN_MAX);
  setTimeout(() => drop(key), kind === 'error' ? ERROR_SHOWN_MS : SHOWN_MS);
}

const drop = (key: number): void => {
  toasts.value = toasts.value.filter((one) => one.key !== key);
};

export function Toasts() {
  return (
    <div class="toasts" role="status" aria-live="polite">
      {toasts.value.map((one) => (
        <div key={one.key} class="toast" data-kind={one.kind}>
          <Icon name={one.kind === 'error' ? 'warn' : 'check'} />
          <span class="break">{one.text}{one.href ? <> <a href={one.href}>{one.link}</a></> : null}</span>
          <button type="button" aria-label="Dismiss" onClick={() => drop(one.key)}><Icon name="close" small /></button>
        </div>
      ))}
    </div>
  );
}
