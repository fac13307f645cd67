// Bulk acts under way: how far they are, what they could not do, and a way to stop them.

import type { Operation } from '../api/types';
import { operations, stop } from '../acts/queue';
import { count } from '../format';

const WORDS: Record<string, string> = { retry: 'Retrying', promote: 'Putting in line', remove: 'Removing' };
const ENDS = { running: '', done: 'done', stopped: 'stopped', failed: 'ended early' };

export function Operations() {
  if (operations.value.length === 0) return null;
  return <div class="operations" role="status" aria-live="polite">{operations.value.map((one) => <Line key={one.id} operation={one} />)}</div>;
}

function Line({ operation }: { operation: Operation }) {
  const running = operation.status === 'running';
  const first = operation.problems[0];
  return (
    <div class="operation card">
      <div class="row spread">
        <span><b>{WORDS[operation.action] ?? operation.action}</b> in {operation.queue}{running ? '' : `: ${ENDS[operation.status]}`}</span>
        {running ? <button type="button" class="btn s" onClick={() => void stop(operation)}>Stop</button> : null}
      </div>
      <progress value={operation.matched ? operation.done + operation.skipped : running ? undefined : 1} max={Math.max(1, operation.matched)} aria-label={`${WORDS[operation.action] ?? operation.action} in ${operation.queue}`} />
      <p class="quiet break">
        {count(operation.done)} of {count(operation.matched)}{operation.skipped ? `, ${count(operation.skipped)} skipped` : ''}
        {first ? ` (${first.id}: ${first.problem})` : ''}{operation.problem ? ` ${operation.problem}` : ''}
      </p>
    </div>
  );
}
