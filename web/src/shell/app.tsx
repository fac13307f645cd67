// Puts the pages into the frame: signed in or not, found or not.

import { useEffect, useRef } from 'preact/hooks';
import { signedOut } from '../api/client';
import { queueList } from '../live/queues';
import { listenTo } from '../live/stream';
import { place, to } from '../router';
import { loadSession, session, sessionError } from '../session';
import { Dialogs } from '../ui/dialog';
import { Empty } from '../ui/parts';
import { Toasts } from '../ui/toasts';
import { Login } from '../pages/login';
import { Overview } from '../pages/overview';
import { QueuePage } from '../pages/queue';
import { Lazy } from '../ui/lazy';
import { Header } from './header';
import { Operations } from './operations';
import { listen } from './keyboard';
import { wishOf } from './pages';

const RETRY_MS = 2000;

export function App() {
  useEffect(() => listen(), []);
  useEffect(() => void loadSession(), []);
  useEffect(() => {
    if (!sessionError.value) return;
    const timer = setTimeout(() => void loadSession(), RETRY_MS);
    return () => clearTimeout(timer);
  }, [sessionError.value]);
  const inside = session.value !== null && !signedOut.value;
  return (
    <>
      {signedOut.value ? <Login /> : inside ? <Inside /> : sessionError.value ? <Waiting /> : null}
      <Dialogs />
      <Operations />
      <Toasts />
    </>
  );
}

function Waiting() {
  return <main class="page"><Empty title="The server does not answer"><p>{sessionError.value?.message}. This page tries again by itself.</p></Empty></main>;
}

function Inside() {
  const main = useRef<HTMLElement>(null);
  const { path } = place.value;
  const where = path.join('/');
  listenTo(wishOf(path));
  useEffect(() => queueList.start(), []);
  useEffect(() => {
    document.title = `${path.length ? path.filter((part) => part !== 'queues' && part !== 'jobs').reverse().join(' · ') : 'Overview'} – Bullock`;
    // Who reads by ear or by keyboard starts at the top of the new page.
    if (document.activeElement === document.body) main.current?.focus({ preventScroll: true });
  }, [where]);
  return (
    <>
      <a class="skip" href="#page" onClick={(event) => { event.preventDefault(); main.current?.focus(); }}>To the content</a>
      <Header />
      <main class="page" id="page" tabIndex={-1} ref={main}>{pageAt(path)}</main>
    </>
  );
}

function pageAt(path: string[]) {
  const [first = '', queue, jobs, id, ...rest] = path;
  if (first === '') return <Overview />;
  if (first === 'queues' && !queue) return <Overview />;
  if (first === 'queues' && queue && jobs === undefined) return <QueuePage key={queue} queue={queue} />;
  if (first === 'queues' && queue && jobs === 'jobs' && id && rest.length === 0) {
    return <Lazy key={`${queue}/${id}`} load={() => import('../pages/job')} name="JobPage" props={{ queue, id }} />;
  }
  if (first === 'syncs' && !queue) return <Lazy key="syncs" load={() => import('../pages/syncs')} name="SyncsPage" props={{}} />;
  if (first === 'syncs' && queue && jobs && !id) {
    return <Lazy key={`syncs/${queue}/${jobs}`} load={() => import('../pages/syncs')} name="SyncPage" props={{ queue, id: jobs }} />;
  }
  const more = () => import('../pages/more');
  const names: Record<string, string> = {
    failed: 'FailedPage', zombies: 'ZombiesPage', workers: 'WorkersPage', schedulers: 'SchedulersPage', flows: 'FlowsPage',
    audit: 'AuditPage', history: 'HistoryPage', stats: 'HistoryPage', system: 'SystemPage',
  };
  const name = names[first];
  if (name) return <Lazy key={first} load={more} name={name} props={{ path }} />;
  return <Empty title="There is no such page"><p><a class="link" href={to([])}>To the overview</a></p></Empty>;
}
