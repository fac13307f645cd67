// Signing in: a token for a cookie.

import { useState } from 'preact/hooks';
import { Problem } from '../api/client';
import { signIn } from '../session';
import { Icon } from '../ui/icon';

export function Login() {
  const [token, setToken] = useState('');
  const [problem, setProblem] = useState('');
  const [busy, setBusy] = useState(false);
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    setBusy(true);
    setProblem('');
    try {
      await signIn(token.trim());
    } catch (error) {
      const status = error instanceof Problem ? error.status : 0;
      setProblem(status === 401 ? 'No such token.' : status === 429 ? 'Too many wrong tokens. Wait a minute.' : (error as Error).message);
      setBusy(false);
    }
  };
  return (
    <main class="login">
      <form class="card" onSubmit={submit}>
        <div class="body stack">
          <div class="brand">
            <svg viewBox="0 0 32 32" aria-hidden="true"><path d="M5.5 8.5c0 4.2 2.3 6.3 6 6.3h9c3.7 0 6-2.1 6-6.3M11.5 14.8V19c0 3.5 2 6 4.5 6s4.5-2.5 4.5-6v-4.2" fill="none" stroke="currentColor" stroke-width="2.6" stroke-linecap="round" stroke-linejoin="round" /></svg>
            <h1>Bullock</h1>
          </div>
          <label class="field"><span>Token</span>
            <input class="input" type="password" required autofocus autoComplete="current-password" aria-invalid={problem !== ''} aria-describedby="login-problem" value={token} onInput={(event) => setToken(event.currentTarget.value)} />
          </label>
          <p id="login-problem" class="input-error" role="alert" hidden={!problem}>{problem}</p>
          <button class="btn solid" type="submit" disabled={busy || !token}>Sign in</button>
          <div class="hint">
            <Icon name="info" small />
            <p>Tokens stand in the config, by their SHA-256:<br /><code>[admin] tokens = [{'{ name = "you", role = "operator", sha256 = "…" }'}]</code><br />
              Who wrote that file can give you one. <code>bullock dev</code> opens this page signed in.</p>
          </div>
        </div>
      </form>
    </main>
  );
}
