// Forms in dialogs: JSON and numbers, checked before they are sent; a refusal stays in the form.

import { useState } from 'preact/hooks';
import { parse, pretty } from '../api/json';
import { Actions, ReasonField } from '../ui/dialog';
import { refusal } from './job';

/** Sends, keeps the form open with the server's words when it is refused. */
function useSending(): { busy: boolean; problem: string; setProblem: (text: string) => void; send: (work: () => Promise<void>) => Promise<void> } {
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState('');
  const send = async (work: () => Promise<void>): Promise<void> => {
    setBusy(true);
    setProblem('');
    try {
      await work();
    } catch (error) {
      setProblem(refusal(error));
      setBusy(false);
    }
  };
  return { busy, problem, setProblem, send };
}

interface EditDataProps { title: string; act: string; data: unknown; onDone: (data: unknown, reason: string) => Promise<void>; onCancel: () => void }

export function EditData({ title, act, data, onDone, onCancel }: EditDataProps) {
  const [text, setText] = useState(() => pretty(data));
  const [reason, setReason] = useState('');
  const { busy, problem, setProblem, send } = useSending();
  const submit = (event: Event): void => {
    event.preventDefault();
    let value: unknown;
    try {
      value = parse(text);
    } catch (error) {
      setProblem(`This is not JSON: ${(error as Error).message}`);
      return;
    }
    void send(() => onDone(value, reason.trim()));
  };
  return (
    <form onSubmit={submit}>
      <h2>{title}</h2>
      <label class="field"><span>Data, as JSON</span>
        <textarea class="input mono" rows={14} spellcheck={false} value={text} aria-invalid={problem !== ''} onInput={(event) => setText(event.currentTarget.value)} />
      </label>
      {problem ? <p class="input-error break" role="alert">{problem}</p> : null}
      <ReasonField value={reason} onInput={setReason} />
      <Actions act={act} disabled={busy} onCancel={onCancel} />
    </form>
  );
}

interface EditNumberProps { title: string; label: string; help: string; start: number; onDone: (value: number, reason: string) => Promise<void>; onCancel: () => void }

export function EditNumber({ title, label, help, start, onDone, onCancel }: EditNumberProps) {
  const [value, setValue] = useState(String(start));
  const [reason, setReason] = useState('');
  const { busy, problem, send } = useSending();
  return (
    <form onSubmit={(event) => { event.preventDefault(); void send(() => onDone(Number(value), reason.trim())); }}>
      <h2>{title}</h2>
      <label class="field"><span>{label} <span class="help">{help}</span></span>
        <input class="input" type="number" min={0} required value={value} onInput={(event) => setValue(event.currentTarget.value)} />
      </label>
      {problem ? <p class="input-error break" role="alert">{problem}</p> : null}
      <ReasonField value={reason} onInput={setReason} />
      <Actions act="Change" disabled={busy} onCancel={onCancel} />
    </form>
  );
}

interface AddJobProps { queue: string; onDone: (job: { name: string; data: unknown; opts: unknown }) => Promise<void>; onCancel: () => void }

export function AddJob({ queue, onDone, onCancel }: AddJobProps) {
  const [name, setName] = useState('');
  const [data, setData] = useState('{}');
  const [opts, setOpts] = useState('');
  const { busy, problem, setProblem, send } = useSending();
  const submit = (event: Event): void => {
    event.preventDefault();
    try {
      const job = { name: name.trim(), data: parse(data || '{}'), opts: opts.trim() ? parse(opts) : {} };
      void send(() => onDone(job));
    } catch (error) {
      setProblem(`This is not JSON: ${(error as Error).message}`);
    }
  };
  return (
    <form onSubmit={submit}>
      <h2>Add a job to {queue}</h2>
      <label class="field"><span>Name <span class="help">which handler runs it</span></span>
        <input class="input" required value={name} autoComplete="off" onInput={(event) => setName(event.currentTarget.value)} />
      </label>
      <label class="field"><span>Data, as JSON</span>
        <textarea class="input mono" rows={8} spellcheck={false} value={data} onInput={(event) => setData(event.currentTarget.value)} />
      </label>
      <label class="field"><span>Options, as JSON <span class="help">such as {'{"attempts": 3, "delay": 5000, "jobId": "order-7"}'}</span></span>
        <input class="input mono" spellcheck={false} value={opts} autoComplete="off" onInput={(event) => setOpts(event.currentTarget.value)} />
      </label>
      {problem ? <p class="input-error break" role="alert">{problem}</p> : null}
      <Actions act="Add" disabled={busy} onCancel={onCancel} />
    </form>
  );
}
