// One second hand for all ages on the page.

import { signal } from '@preact/signals';
import { clockSkewMs } from './api/client';

/** Now by the server's clock, ms; moves once a second, and not while the tab is hidden. */
export const now = signal(Date.now());

export const serverNow = (): number => Date.now() + clockSkewMs.value;

setInterval(() => {
  if (!document.hidden) now.value = serverNow();
}, 1000);
