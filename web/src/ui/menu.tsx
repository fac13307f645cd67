// A button that opens a list of acts.

import type { ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { Icon, type IconName } from './icon';

export function Menu({ label, icon, children, square, ghost }: { label: string; icon?: IconName; square?: boolean; ghost?: boolean; children: ComponentChildren }) {
  const [open, setOpen] = useState(false);
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (!open) return;
    const away = (event: Event): void => {
      if (!box.current?.contains(event.target as Node)) setOpen(false);
    };
    document.addEventListener('pointerdown', away);
    document.addEventListener('focusin', away);
    return () => {
      document.removeEventListener('pointerdown', away);
      document.removeEventListener('focusin', away);
    };
  }, [open]);
  const onKeyDown = (event: KeyboardEvent): void => {
    if (!open) return;
    const items = [...(box.current?.querySelectorAll<HTMLElement>(':scope > div > :is(button, a)') ?? [])];
    const at = items.indexOf(document.activeElement as HTMLElement);
    if (event.key === 'Escape') {
      setOpen(false);
      box.current?.querySelector('button')?.focus();
    } else if (event.key === 'ArrowDown') items[(at + 1) % items.length]?.focus();
    else if (event.key === 'ArrowUp') items[(at - 1 + items.length) % items.length]?.focus();
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  return (
    <div class="menu" ref={box} onKeyDown={onKeyDown}>
      <button
        type="button" class={`btn${square ? ' square' : ''}${ghost ? ' ghost' : ''}`} aria-expanded={open}
        aria-label={square ? label : undefined} title={square ? label : undefined} onClick={() => setOpen(!open)}
      >
        {icon ? <Icon name={icon} /> : null}{square ? null : <>{label}<Icon name="down" small /></>}
      </button>
      {open ? <div onClick={() => setOpen(false)}>{children}</div> : null}
    </div>
  );
}

export function MenuItem({ icon, danger, onClick, children }: { icon: IconName; danger?: boolean; onClick: () => void; children: ComponentChildren }) {
  return <button type="button" class={danger ? 'danger' : ''} onClick={onClick}><Icon name={icon} />{children}</button>;
}
