// Line icons on a 16 by 16 grid. They accompany words or an aria-label, never stand for them.

const PATHS = {
  search: 'M7 12A5 5 0 1 0 7 2a5 5 0 0 0 0 10zM10.8 10.8 14 14',
  close: 'M4 4l8 8M12 4l-8 8',
  check: 'M3.5 8.5l3 3 6-7',
  cross: 'M4.5 4.5l7 7M11.5 4.5l-7 7',
  circle: 'M8 13A5 5 0 1 0 8 3a5 5 0 0 0 0 10z',
  half: 'M8 13A5 5 0 1 0 8 3a5 5 0 0 0 0 10zM8 3v10',
  clock: 'M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12zM8 5v3.2l2 1.3',
  play: 'M5 3.5v9l7-4.5z',
  pause: 'M5.5 3.5v9M10.5 3.5v9',
  retry: 'M13 8a5 5 0 1 1-1.5-3.6M13 2.5V5h-2.5',
  up: 'M4 8.5l4-4 4 4M4 12.5l4-4 4 4',
  tree: 'M4 3v7.5a2 2 0 0 0 2 2h2M4 6.5h4M10.5 4.5h3v3.5h-3zM10.5 10.7h3v3.5h-3z',
  warn: 'M8 2.5 14 13H2zM8 6.5v3M8 11.2v.1',
  stop: 'M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12zM4 4l8 8',
  trash: 'M3 4.5h10M6.5 4.5V3h3v1.5M4.5 4.5l.6 8.5h5.8l.6-8.5',
  copy: 'M6 6h7v7.5H6zM10 6V2.5H3V10h3',
  down: 'M4 6l4 4 4-4',
  right: 'M6 4l4 4-4 4',
  left: 'M10 4l-4 4 4 4',
  more: 'M3.5 8h.01M8 8h.01M12.5 8h.01',
  plus: 'M8 3.5v9M3.5 8h9',
  sun: 'M8 11a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM8 1.5V3M8 13v1.5M1.5 8H3M13 8h1.5M3.4 3.4l1.1 1.1M11.5 11.5l1.1 1.1M12.6 3.4l-1.1 1.1M4.5 11.5l-1.1 1.1',
  moon: 'M13 9.5A5.5 5.5 0 1 1 6.5 3 4.5 4.5 0 0 0 13 9.5z',
  system: 'M2.5 3.5h11v7.5h-11zM6 13.5h4',
  link: 'M7 9.5a2.5 2.5 0 0 0 3.6 0l2-2A2.5 2.5 0 0 0 9 4l-.7.7M9 6.5a2.5 2.5 0 0 0-3.6 0l-2 2A2.5 2.5 0 0 0 7 12l.7-.7',
  edit: 'M10.5 3l2.5 2.5-7.5 7.5H3v-2.5z',
  user: 'M8 8a2.7 2.7 0 1 0 0-5.4A2.7 2.7 0 0 0 8 8zM3 14c.3-2.5 2.3-4 5-4s4.7 1.5 5 4',
  columns: 'M2.5 3h11v10h-11zM6.2 3v10M9.8 3v10',
  info: 'M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12zM8 7.5V11M8 5v.1',
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name, small, spin }: { name: IconName; small?: boolean; spin?: boolean }) {
  const dots = name === 'more';
  return (
    <svg class={`icon${small ? ' s' : ''}${spin ? ' spin' : ''}`} viewBox="0 0 16 16" aria-hidden="true" stroke-width={dots ? 2.4 : undefined}>
      <path d={PATHS[name]} />
    </svg>
  );
}
