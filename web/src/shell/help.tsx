// The list of keys.

import { show } from '../ui/dialog';

const KEYS: [string[], string][] = [
  [['/'], 'Search'],
  [['g', 'o'], 'Go to the overview'],
  [['g', 'f'], 'Go to failed jobs'],
  [['g', 'z'], 'Go to zombies'],
  [['g', 'w'], 'Go to workers'],
  [['j'], 'Next row'],
  [['k'], 'Previous row'],
  [['x'], 'Select the row'],
  [['Enter'], 'Open the row'],
  [['r'], 'Retry the selected jobs, or this one'],
  [['c'], 'Cancel this job'],
  [['p'], 'Pause live updates, and go on'],
  [['?'], 'These keys'],
];

export function openHelp(): void {
  show((close) => (
    <section>
      <h2>Keys</h2>
      <dl class="keys">
        {KEYS.map(([keys, what]) => (
          <div key={what}>
            <dt>{keys.map((key) => <kbd key={key}>{key}</kbd>)}</dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
      <div class="actions"><button type="button" class="btn" onClick={close}>Close</button></div>
    </section>
  ));
}
