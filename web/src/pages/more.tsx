// The pages beside queues and jobs: one chunk, fetched when the first of them is looked at.

export { FailedPage } from './more/failed';
export { ZombiesPage } from './more/zombies';
export { WorkersPage } from './more/workers';
export { SchedulersPage } from './more/schedulers';
export { FlowsPage } from './more/flows';
export { AuditPage } from './more/audit';
export { HistoryPage } from './more/history';
export { SystemPage } from './more/system';
