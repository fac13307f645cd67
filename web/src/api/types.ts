// What the API answers. Field names are the server's; times are ms since the epoch by the server's clock.

export type JobState = 'waiting' | 'prioritized' | 'delayed' | 'active' | 'waiting-children' | 'completed' | 'failed' | 'paused';
export type JobStatus = 'queued' | 'scheduled' | 'running' | 'retrying' | 'completed' | 'partial' | 'failed' | 'cancelled' | 'stalled' | 'stuck';
export type JobAction = 'retry' | 'promote' | 'remove' | 'duplicate' | 'edit-data' | 'change-delay' | 'change-priority' | 'cancel' | 'kill' | 'force-done';
export type Role = 'viewer' | 'operator' | 'admin';
export type Counts = Partial<Record<JobState, number>>;
export interface Percentiles { p50: number; p95: number; p99: number }

export interface Session {
  authenticated: boolean;
  loginNeeded: boolean;
  name?: string;
  role?: Role;
  queues?: string[];
  via?: 'cookie' | 'bearer' | 'loopback';
}

export interface Queue {
  name: string;
  dialect: 'bull' | 'bullmq' | 'mixed' | null;
  configured: boolean;
  paused: boolean;
  counts: Counts | null;
  workers: number | null;
  oldestWaitingMs: number | null;
  rate: { in: number; out: number } | null;
  problem: string | null;
}

export interface QueueDetail extends Queue {
  prefix: string;
  version: string | null;
  layout: string;
  workerNames: string[];
  limits: { concurrency: number | null; max: number | null; durationMs: number | null };
  readOnly: boolean;
  schedulers: number;
  latency: { sampled: number; waitMs: Percentiles | null; runMs: Percentiles | null } | null;
  serverTime: number;
}

export interface QueueList { serverTime: number; items: Queue[]; total: number }

export interface Job {
  queue: string;
  id: string;
  name: string;
  state: JobState | 'stuck';
  status: JobStatus;
  needsAttention: boolean;
  allowedActions: JobAction[];
  data: unknown;
  opts: Record<string, unknown> | null;
  progress: unknown;
  timestamp: number;
  delay: number;
  priority: number;
  attemptsMade: number;
  attempts: number;
  processedOn: number | null;
  finishedOn: number | null;
  retriedOn: number | null;
  dueOn: number | null;
  returnvalue: unknown;
  failedReason: string | null;
  worker: string | null;
  leaseMs: number | null;
  reason: string | null;
  crashes: number;
  parentKey: string | null;
  schedulerId: string | null;
  deduplicationId: string | null;
  truncated: string[];
}

export interface Attempt { attempt: number; at: number; worker: string | null; class: string; ranMs: number | null; message: string }

export interface AuditEntry {
  id: string;
  at: number;
  queue: string;
  what: string;
  job: string | null;
  was: string | null;
  is: string | null;
  by: string;
  from: string;
  why: string | null;
}

export interface JobDetail extends Job {
  stacktrace: string[];
  attemptsStarted: number | null;
  stalledCounter: number | null;
  processedBy: string | null;
  deferredFailure: string | null;
  parent: { id?: string; queue?: string; queueKey?: string } | null;
  rawData: string | null;
  etag: string;
  serverTime: number;
  keys: string[];
  logs?: { items: string[]; total: number; from: number };
  attemptHistory?: Attempt[];
  children?: { items: { queue: string; id: string; outcome: string }[]; total: number; pending: number };
  audit?: AuditEntry[];
}

export interface JobList { items: Job[]; next: string | null; total: number; scanned: number; truncated: boolean; serverTime: number }

export interface LogPage { items: string[]; next: string | null; total: number; from: number }

export interface Operation {
  id: string;
  queue: string;
  action: string;
  status: 'running' | 'done' | 'stopped' | 'failed';
  dryRun: boolean;
  matched: number;
  scanned: number;
  done: number;
  skipped: number;
  problems: { id: string; problem: string }[];
  problem: string | null;
  limit: number;
}

export interface WorkerList {
  serverTime: number;
  known: boolean;
  items: {
    name: string;
    kind: 'bullock' | 'node';
    queues: { queue: string; connections: number; running: number }[];
    addresses: string[];
    connectedSeconds: number | null;
    idleSeconds: number | null;
    running: number;
    leases: { queue: string; id: string; leaseMs: number | null; startedOn: number | null }[];
  }[];
}

export interface Scheduler {
  queue: string;
  id: string;
  key: string;
  name: string;
  every: number | null;
  pattern: string | null;
  tz: string | null;
  limit: number | null;
  endDate: number | null;
  next: number | null;
  iterations: number | null;
  dialect: string;
  lastJob: string | null;
}

export interface FlowNode {
  queue: string;
  id: string;
  name: string;
  state: JobState | null;
  status: JobStatus | null;
  progress: unknown;
  failedReason: string | null;
  missing: boolean;
  outcome: string | null;
  rollup: { pending: number; processed: number; failed: number; ignored: number } | null;
  children: FlowNode[];
  more: number;
}

export interface Flow { root: FlowNode; nodes: number; truncated: boolean; above: { queue: string; id: string } | null }

export interface QueueStats {
  queue: string;
  counts: Counts;
  sampled: number;
  successRate: number | null;
  waitMs: Percentiles | null;
  runMs: Percentiles | null;
  names: { name: string; sampled: number; failed: number; runMs: Percentiles | null }[];
  slowest: { id: string; name: string; runMs: number }[];
  /** Per minute, newest first. */
  series: { minute: number; completed: number[]; failed: number[] } | null;
}

export interface Stats { serverTime: number; totals: Counts; queues: QueueStats[] }

export interface FailedGroup {
  signature: string;
  count: number;
  reason: string | null;
  queues: Record<string, number>;
  names: string[];
  newest: { queue: string; id: string; failedReason: string; finishedOn: number | null };
  firstOn: number | null;
  lastOn: number | null;
}

export interface FailedGroups { items: FailedGroup[]; scanned: number; truncated: boolean }

export interface AuditList { items: AuditEntry[]; next: string | null; scanned: number }

export interface Health {
  status: 'ok' | 'degraded' | 'down';
  version: string;
  commit: string;
  startedAt: number;
  uptimeSeconds: number;
  redis: { ok: boolean; answeredMs: number | null; version: string | null; role: string | null; evictionPolicy: string | null; persistence: string | null; problem: string | null };
  worker: { draining: boolean };
  queues: { name: string; dialect: string | null; claimed: boolean; problem: string | null }[];
  handlers: { name: string; healthy: boolean }[];
  streams: { clients: number; max: number; reading: boolean };
}

/** The envelope of live events. */
export interface LiveEvent {
  seq: number;
  ts: string;
  type: string;
  queue?: string;
  jobId?: string;
  name?: string;
  data: Record<string, unknown>;
}

export type SyncAction = 'pause' | 'resume' | 'retry-items' | 'cancel' | 'force-done';

/** A sync: a job that moves items, as lists show it. */
export interface Sync {
  queue: string;
  id: string;
  name: string;
  org: string | null;
  state: JobState;
  status: JobStatus | 'paused';
  needsAttention: boolean;
  paused: { at: number; by: string; from: string; why: string } | null;
  allowedActions: SyncAction[];
  total: number | null;
  processed: number;
  successful: number;
  failed: number;
  skipped: number;
  retrying: number;
  duplicates: number;
  percent: number | null;
  rate: number | null;
  etaSeconds: number | null;
  batch: number;
  batches: number | null;
  startedAt: number | null;
  timestamp: number;
  processedOn: number | null;
  finishedOn: number | null;
  dueOn: number | null;
  attemptsMade: number;
  attempts: number;
  worker: string | null;
  leaseMs: number | null;
  failedReason: string | null;
}

export type ItemState = 'failed' | 'retrying' | 'skipped';
export interface SyncNote { id: string; tries: number; code: string | null; message: string | null }

/** An act or a commit. */
export interface SyncEntry {
  id: string;
  at: number;
  what: string;
  was: string | null;
  is: string | null;
  by: string;
  from: string;
  why: string | null;
  changed: { plan?: Record<string, unknown>; items?: Record<string, string> } | null;
}

export interface SyncDetail extends Sync {
  plan: { cursor: unknown; exhausted: boolean; pages: number; commits: number; batches: number; retryBatches: number; pending: string[]; batchSize: number | null } | null;
  data: unknown;
  opts: Record<string, unknown> | null;
  returnvalue: unknown;
  items: Partial<Record<ItemState, SyncNote[]>>;
  itemsTruncated: boolean;
  itemsDropped: number;
  timeline: SyncEntry[];
  timelineNext: string | null;
  serverTime: number;
}

export interface SyncList { items: Sync[]; next: string | null; scanned: number; serverTime: number }

export interface Spread { count: number; mean: number; p50: number; p95: number; p99: number }
export interface ItemCounts { processed: number; successful: number; failed: number; skipped: number }

/** What jobs of one name of one organisation did in a time. */
export interface Kind {
  name: string;
  org: string | null;
  completed: number;
  failed: number;
  retried: number;
  partial: number;
  successRate: number | null;
  runMs: Spread | null;
  waitMs: Spread | null;
  items: ItemCounts;
}

export interface History {
  queue: string;
  by: 'hour' | 'day';
  points: { from: number; kinds: Kind[] }[];
  kinds: Kind[];
  slowest: { id: string; name: string; org: string | null; attempt: number; ended: string; runMs: number }[];
  mostFailing: { name: string; org: string | null; failed: number; ended: number }[];
  serverTime: number;
}

export interface SyncRun {
  entry: string; id: string; name: string; org: string | null; end: 'completed' | 'partial' | 'failed';
  startedAt: number; endedAt: number; tookMs: number; batches: number; items: ItemCounts;
}
