// Questions before acts: how many, where, why. The browser's own <dialog> keeps the focus inside and gives it back.

import { signal } from '@preact/signals';
import type { ComponentChildren, JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';

/** What is open: one dialog at a time. */
const open = signal<{ key: number; draw: (close: () => void) => JSX.Element; onClose: () => void } | null>(null);
let last = 0;

/** Opens a dialog. `draw` is given what closes it. */
export function show(draw: (close: () => void) => JSX.Element, onClose: () => void = () => undefined): void {
  open.value?.onClose();
  open.value = { key: ++last, draw, onClose };
}

const close = (): void => {
  open.value = null;
};

export const dialogOpen = (): boolean => open.value !== null;

export function Dialogs() {
  const shown = open.value;
  return shown ? <Modal key={shown.key} onClose={() => { close(); shown.onClose(); }}>{shown.draw(close)}</Modal> : null;
}

function Modal({ onClose, children }: { onClose: () => void; children: ComponentChildren }) {
  const box = useRef<HTMLDialogElement>(null);
  const [opener] = useState(() => document.activeElement);
  useEffect(() => {
    const dialog = box.current;
    dialog?.showModal();
    const heading = dialog?.querySelector('h2')?.textContent;
    if (heading) dialog?.setAttribute('aria-label', heading);
    return () => {
      dialog?.close();
      if (opener instanceof HTMLElement && opener.isConnected) opener.focus();
    };
  }, []);
  return (
    <dialog
      ref={box}
      onCancel={(event) => { event.preventDefault(); onClose(); }}
      onMouseDown={(event) => { if (event.target === box.current) onClose(); }}
    >
      {children}
    </dialog>
  );
}

export interface Question {
  title: string;
  body?: ComponentChildren;
  /** The word on the button: the act itself, never "OK". */
  act: string;
  danger?: boolean;
  /** Must be typed before the button works. */
  typed?: string;
  /** A reason must be given. */
  why?: boolean;
}

/** Asks, and why; gives null when the reader thinks better of it. What they write goes to the audit trail. */
export function ask(question: Question): Promise<{ reason: string } | null> {
  return new Promise((resolve) => {
    show(
      (closeIt) => <Ask question={question} answer={(given) => { closeIt(); resolve(given); }} />,
      () => resolve(null),
    );
  });
}

function Ask({ question, answer }: { question: Question; answer: (given: { reason: string } | null) => void }) {
  const [reason, setReason] = useState('');
  const [typed, setTyped] = useState('');
  const ready = (!question.typed || typed === question.typed) && (!question.why || reason.trim() !== '');
  const submit = (event: Event): void => {
    event.preventDefault();
    if (ready) answer({ reason: reason.trim() });
  };
  return (
    <form onSubmit={submit}>
      <h2>{question.title}</h2>
      {question.body ? <div class="quiet stack tight break">{question.body}</div> : null}
      {question.typed ? (
        <label class="field"><span>Type <code>{question.typed}</code> to go on</span>
          <input class="input mono" value={typed} onInput={(event) => setTyped(event.currentTarget.value)} autoComplete="off" spellcheck={false} />
        </label>
      ) : null}
      <ReasonField value={reason} onInput={setReason} needed={question.why} />
      <Actions act={question.act} danger={question.danger} disabled={!ready} onCancel={() => answer(null)} />
    </form>
  );
}

export function ReasonField({ value, onInput, needed }: { value: string; onInput: (text: string) => void; needed?: boolean }) {
  return (
    <label class="field"><span>Reason <span class="help">{needed ? 'needed, kept in the audit trail' : 'optional, kept in the audit trail'}</span></span>
      <input class="input" name="reason" value={value} maxLength={500} onInput={(event) => onInput(event.currentTarget.value)} autoComplete="off" />
    </label>
  );
}

export function Actions({ act, danger, disabled, onCancel }: { act: string; danger?: boolean; disabled?: boolean; onCancel: () => void }) {
  return (
    <div class="actions">
      <button type="button" class="btn" onClick={onCancel}>Back</button>
      <button type="submit" class={`btn solid${danger ? ' danger' : ''}`} disabled={disabled}>{act}</button>
    </div>
  );
}
