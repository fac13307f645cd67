// What stands in the place of a page that could not be fetched.

import { Problem } from '../api/client';
import { refusal } from '../acts/job';
import { Empty } from './parts';

const TITLES: Record<number, string> = { 403: 'Your token does not reach this', 404: 'It is not there', 503: 'Redis does not answer' };

export function Failure({ error, retry }: { error: Error; retry?: () => void }) {
  const status = error instanceof Problem ? error.status : 0;
  return (
    <div class="card"><Empty title={TITLES[status] ?? 'This could not be fetched'}>
      <p class="break">{refusal(error)}</p>
      {retry && status !== 403 ? <button type="button" class="btn" onClick={retry}>Try again</button> : null}
    </Empty></div>
  );
}
