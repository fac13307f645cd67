// JSON to look at: folded, bounded, copied as it is. Values are text nodes and nothing else.

import { useState } from 'preact/hooks';
import { ExactNumber, pretty } from '../api/json';
import { CopyButton } from './parts';

const OPEN_DEPTH = 2;
const ITEMS_SHOWN = 100;
const TEXT_SHOWN = 600;
const RAW_CHARS_MAX = 200_000;

export function JsonView({ value, label }: { value: unknown; label: string }) {
  const [raw, setRaw] = useState(false);
  const text = pretty(value);
  const nested = typeof value === 'object' && value !== null && !(value instanceof ExactNumber);
  return (
    <div class="json">
      <div class="json-tools">
        {nested ? <button type="button" class="btn ghost s" aria-pressed={raw} onClick={() => setRaw(!raw)}>{raw ? 'Tree' : 'Raw'}</button> : null}
        <CopyButton label={`Copy the ${label}`} text={text} />
      </div>
      {raw ? <pre class="code">{text.length > RAW_CHARS_MAX ? `${text.slice(0, RAW_CHARS_MAX)}\n… ${text.length} characters in all` : text}</pre> : <div class="json-tree mono"><Value value={value} depth={0} /></div>}
    </div>
  );
}

function Value({ value, depth, name }: { value: unknown; depth: number; name?: string }) {
  const key = name === undefined ? null : <span class="j-key">{name}: </span>;
  if (typeof value !== 'object' || value === null || value instanceof ExactNumber) return <div class="j-line">{key}<Plain value={value} /></div>;
  return <Nested value={value} depth={depth} label={key} />;
}

function Nested({ value, depth, label }: { value: object; depth: number; label: preact.ComponentChildren }) {
  const list = Array.isArray(value);
  const entries = Object.entries(value);
  const [open, setOpen] = useState(depth < OPEN_DEPTH && entries.length <= ITEMS_SHOWN);
  const [shown, setShown] = useState(ITEMS_SHOWN);
  const brackets = list ? '[]' : '{}';
  if (entries.length === 0) return <div class="j-line">{label}<span class="faint">{brackets}</span></div>;
  return (
    <div class="j-nest">
      <button type="button" class="j-fold" aria-expanded={open} onClick={() => setOpen(!open)}>
        {label}<span class="faint">{open ? brackets[0] : `${brackets[0]} ${entries.length} ${brackets[1]}`}</span>
      </button>
      {open ? (
        <div class="j-inner">
          {entries.slice(0, shown).map(([name, inner]) => <Value key={name} name={name} value={inner} depth={depth + 1} />)}
          {entries.length > shown ? <button type="button" class="btn ghost s" onClick={() => setShown(shown + ITEMS_SHOWN)}>{entries.length - shown} more</button> : null}
        </div>
      ) : null}
      {open ? <div class="faint">{brackets[1]}</div> : null}
    </div>
  );
}

function Plain({ value }: { value: unknown }) {
  const [all, setAll] = useState(false);
  if (typeof value === 'string') {
    const cut = !all && value.length > TEXT_SHOWN;
    return <span class="j-text">"{cut ? value.slice(0, TEXT_SHOWN) : value}"{cut ? <button type="button" class="btn ghost s" onClick={() => setAll(true)}>… {value.length} characters</button> : null}</span>;
  }
  const kind = value instanceof ExactNumber || typeof value === 'number' ? 'j-num' : 'j-word';
  return <span class={kind}>{String(value)}</span>;
}
