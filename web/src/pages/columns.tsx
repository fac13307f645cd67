// Which fields of the data have a column of their own. The choice is in the address, so it is in the link that one sends.

import { useState } from 'preact/hooks';
import type { Job } from '../api/types';
import { param, setQuery } from '../router';

const PATHS_MAX = 40;

/** The fields that jobs on this page have, two levels deep. */
function pathsOf(jobs: Job[]): string[] {
  const found = new Set<string>();
  const look = (value: unknown, path: string, depth: number): void => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return;
    for (const [name, inner] of Object.entries(value)) {
      if (name.includes(',')) continue;
      const at = `${path}.${name}`;
      if (typeof inner === 'object' && inner !== null && depth < 2) look(inner, at, depth + 1);
      else found.add(at);
    }
  };
  for (const job of jobs) {
    look(job.data, 'data', 1);
    look(job.returnvalue, 'returnvalue', 1);
  }
  return [...found].slice(0, PATHS_MAX);
}

export function valueAt(job: Job, path: string): unknown {
  let value: unknown = job;
  for (const name of path.split('.')) {
    if (typeof value !== 'object' || value === null) return undefined;
    value = Object.hasOwn(value, name) ? (value as Record<string, unknown>)[name] : undefined;
  }
  return value;
}

export function Columns({ jobs, close }: { jobs: Job[]; close: () => void }) {
  const [chosen, setChosen] = useState(() => param('cols').split(',').filter(Boolean));
  const paths = [...new Set([...chosen, ...pathsOf(jobs)])];
  const toggle = (path: string): void => setChosen(chosen.includes(path) ? chosen.filter((one) => one !== path) : [...chosen, path]);
  const submit = (event: Event): void => {
    event.preventDefault();
    setQuery({ cols: chosen.join(',') });
    close();
  };
  return (
    <form onSubmit={submit}>
      <h2>Columns from the jobs’ data</h2>
      {paths.length === 0 ? <p class="quiet">The jobs on this page have no fields in their data.</p> : null}
      <div class="stack tight">
        {paths.map((path) => <label key={path} class="check"><input type="checkbox" checked={chosen.includes(path)} onChange={() => toggle(path)} /><code class="break">{path}</code></label>)}
      </div>
      <div class="actions">
        <button type="button" class="btn" onClick={close}>Back</button>
        <button type="submit" class="btn solid">Show</button>
      </div>
    </form>
  );
}
