// Keys that work on every page. Lists and pages bring their own by `onKey`.

import { useLayoutEffect } from 'preact/hooks';
import { togglePause } from '../live/stream';
import { go, to } from '../router';
import { dialogOpen } from '../ui/dialog';
import { openFinder } from './finder';
import { openHelp } from './help';

const CHORD_MS = 1200;
const PLACES: Record<string, string[]> = {
  o: [], f: ['failed'], z: ['zombies'], w: ['workers'], y: ['syncs'], s: ['schedulers'], a: ['audit'], h: ['history'],
};

type Keys = Record<string, (event: KeyboardEvent) => void>;
const pageKeys = new Set<Keys>();

/** Keys of the page shown. They change together with what is to be seen: a fast hand never acts on what was there before. */
export function useKeys(keys: Keys): void {
  useLayoutEffect(() => {
    pageKeys.add(keys);
    return () => void pageKeys.delete(keys);
  });
}

let chordAt = 0;

export const isTyping = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement && (target.isContentEditable || /^(TEXTAREA|SELECT)$/.test(target.tagName) || (target instanceof HTMLInputElement && target.type !== 'checkbox'));

export function listen(): () => void {
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.metaKey && event.key === 'k' || event.ctrlKey && event.key === 'k') {
      event.preventDefault();
      openFinder();
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || dialogOpen()) return;
    if (isTyping(event.target)) {
      if (event.key === 'Escape') (event.target as HTMLElement).blur();
      return;
    }
    if (run(event)) event.preventDefault();
  };
  document.addEventListener('keydown', onKeyDown);
  return () => document.removeEventListener('keydown', onKeyDown);
}

function run(event: KeyboardEvent): boolean {
  const { key } = event;
  if (Date.now() - chordAt < CHORD_MS) {
    chordAt = 0;
    const path = PLACES[key];
    if (path) go(to(path));
    return path !== undefined;
  }
  if (key === 'g') {
    chordAt = Date.now();
    return true;
  }
  for (const keys of pageKeys) {
    const hit = keys[key];
    if (hit) {
      hit(event);
      return true;
    }
  }
  if (key === '/') openFinder();
  else if (key === '?') openHelp();
  else if (key === 'p') togglePause();
  else return false;
  return true;
}
