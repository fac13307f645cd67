// Pages that are fetched when they are first looked at.

import type { ComponentType } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { Empty, Skeleton } from './parts';

type Loaded = Record<string, unknown>;

export function Lazy({ load, name, props }: { load: () => Promise<unknown>; name: string; props: object }) {
  const [Page, setPage] = useState<ComponentType<object> | null>(null);
  const [failed, setFailed] = useState(false);
  useEffect(() => {
    let gone = false;
    load().then(
      (module) => { if (!gone) setPage(() => (module as Loaded)[name] as ComponentType<object>); },
      () => { if (!gone) setFailed(true); },
    );
    return () => { gone = true; };
  }, [name]);
  if (failed) {
    return <Empty title="This page could not be loaded"><p>The server was away, or is of another version now.</p><button type="button" class="btn" onClick={() => location.reload()}>Reload</button></Empty>;
  }
  return Page ? <Page {...props} /> : <Skeleton />;
}
