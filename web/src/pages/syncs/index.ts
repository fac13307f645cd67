// Syncs: one chunk, fetched when the first of them is looked at.

export { SyncsPage } from './list';
export { SyncPage } from './one';
