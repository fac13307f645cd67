// j and k walk the rows of a table: they move the focus along the links marked data-row, and the browser does the rest.

import { useRef } from 'preact/hooks';
import type { RefObject } from 'preact';
import { useKeys } from '../shell/keyboard';

const ROW = 'a[data-row]';

export function useRows(more: Record<string, (row: HTMLElement | null) => void> = {}): RefObject<HTMLTableElement | null> {
  const table = useRef<HTMLTableElement>(null);
  const rows = (): HTMLElement[] => [...(table.current?.querySelectorAll<HTMLElement>(ROW) ?? [])];
  const current = (): HTMLElement | null => {
    const row = document.activeElement?.closest('tr');
    return row && table.current?.contains(row) ? row.querySelector<HTMLElement>(ROW) : null;
  };
  const move = (step: number): void => {
    const all = rows();
    const at = all.indexOf(current() as HTMLElement);
    const next = at < 0 ? (step > 0 ? 0 : all.length - 1) : Math.min(all.length - 1, Math.max(0, at + step));
    all[next]?.focus();
    all[next]?.scrollIntoView({ block: 'nearest' });
  };
  const keys = Object.fromEntries(Object.entries(more).map(([key, run]) => [key, () => run(current())]));
  useKeys({ j: () => move(1), k: () => move(-1), ...keys });
  return table;
}
