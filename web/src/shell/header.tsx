// The header: where one is, how live it is, and the way to everything.

import { useEffect, useRef } from 'preact/hooks';
import { failedTotal } from '../live/queues';
import { live, missed, togglePause } from '../live/stream';
import { short } from '../format';
import { place, to } from '../router';
import { session, signOut } from '../session';
import { Icon, type IconName } from '../ui/icon';
import { Menu, MenuItem } from '../ui/menu';
import { openFinder } from './finder';
import { openHelp } from './help';
import { PAGES } from './pages';
import { nextTheme, theme, type Theme } from './theme';

const THEME_LOOKS: Record<Theme, [IconName, string]> = {
  system: ['system', 'Theme: as the system'], light: ['sun', 'Theme: light'], dark: ['moon', 'Theme: dark'],
};

export function Header() {
  const [icon, label] = THEME_LOOKS[theme.value];
  const who = session.value;
  const nav = useRef<HTMLElement>(null);
  // On a narrow window the pages are wider than it: the current one is brought into sight.
  useEffect(() => nav.current?.querySelector('[aria-current]')?.scrollIntoView({ block: 'nearest', inline: 'center' }), [place.value.path[0]]);
  return (
    <header class="header">
      <a class="brand" href={to([])}>
        <svg viewBox="0 0 32 32" aria-hidden="true"><path d="M5.5 8.5c0 4.2 2.3 6.3 6 6.3h9c3.7 0 6-2.1 6-6.3M11.5 14.8V19c0 3.5 2 6 4.5 6s4.5-2.5 4.5-6v-4.2" fill="none" stroke="currentColor" stroke-width="2.6" stroke-linecap="round" stroke-linejoin="round" /></svg>
        Bullock
      </a>
      <nav class="nav" aria-label="Pages" ref={nav}>
        {PAGES.map((page) => <NavLink key={page.name} name={page.name} path={page.path} />)}
      </nav>
      <div class="tools">
        <button type="button" class="finder" aria-label="Find a queue, a page or a job" onClick={openFinder}><Icon name="search" /><span>Find</span><kbd aria-hidden="true">/</kbd></button>
        <LiveChip />
        <button type="button" class="btn ghost square" aria-label={label} title={label} onClick={nextTheme}><Icon name={icon} /></button>
        <button type="button" class="btn ghost square wide-only" aria-label="Keys" title="Keys" onClick={openHelp}>?</button>
        {who?.via === 'cookie' ? (
          <Menu label={`Signed in as ${who.name ?? ''}`} icon="user" square ghost>
            <span class="faint">{who.name} · {who.role}</span>
            <MenuItem icon="close" onClick={() => void signOut()}>Sign out</MenuItem>
          </Menu>
        ) : null}
      </div>
    </header>
  );
}

function NavLink({ name, path }: { name: string; path: string[] }) {
  const here = place.value.path[0] ?? '';
  const current = path.length === 0 ? here === '' || here === 'queues' : here === path[0];
  const badge = name === 'Failed' && failedTotal.value > 0 ? failedTotal.value : 0;
  return (
    <a href={to(path)} aria-current={current ? 'page' : undefined}>
      {name}{badge ? <span class="count">{short(badge)}</span> : null}
    </a>
  );
}

const LIVE_WORDS = { connecting: 'Connecting', live: 'Live', offline: 'Offline', paused: 'Paused' };

/** Says whether what is shown is what is. A press holds the updates, another lets them go on. */
function LiveChip() {
  const state = live.value;
  const held = missed.value;
  const words = state === 'paused' && held > 0 ? `Paused (${short(held)} new)` : LIVE_WORDS[state];
  const title = state === 'offline' ? 'The server does not answer. What is shown may be old; this heals by itself.' : state === 'paused' ? 'Go on (p)' : 'Hold updates (p)';
  return (
    <button type="button" class="live" data-state={state} aria-pressed={state === 'paused'} title={title} onClick={togglePause}>
      <span class="dot" aria-hidden="true" /><span class="live-word">{words}</span><span class="sr">: {title}</span>
    </button>
  );
}
