// What the back office has been sent, batch by batch, in a file: a `kill -9` of the process loses nothing that was answered.
import { appendFileSync, existsSync, readFileSync, truncateSync } from 'node:fs';

export class Ledger {
  #file;
  #kinds = new Map();

  constructor(file) {
    this.#file = file;
    if (!file || !existsSync(file)) return;
    const text = readFileSync(file, 'utf8');
    // The process may have died within a line.
    const whole = text.slice(0, text.lastIndexOf('\n') + 1);
    if (whole.length < text.length) truncateSync(file, Buffer.byteLength(whole));
    for (const line of whole.split('\n').filter(Boolean)) this.#count(JSON.parse(line));
  }

  /** The batch that came under this key before. */
  known = (kind, key) => this.#kind(kind).batches.get(key);

  /** How often a job has tried an item. */
  tries = (kind, job, id) => this.#kind(kind).tries.get(`${job} ${id}`) ?? 0;

  /** The greatest fence that a job's batches had. */
  fence = (kind, job) => this.#kind(kind).fences.get(job) ?? 0;

  /** Writes an entry: `{kind, event: 'taken' | 'again' | 'other' | 'late' | 'busy', at, job, key, fence, answers}`. */
  write(entry) {
    if (this.#file) appendFileSync(this.#file, `${JSON.stringify(entry)}\n`);
    this.#count(entry);
  }

  #kind(kind) {
    if (!this.#kinds.has(kind)) this.#kinds.set(kind, { batches: new Map(), items: new Map(), tries: new Map(), fences: new Map(), again: 0, other: 0, late: 0, busy: 0, through: 0 });
    return this.#kinds.get(kind);
  }

  #count({ kind: name, event, at, job, key, fence, answers }) {
    const kind = this.#kind(name);
    if (event !== 'taken') {
      kind[event] += 1;
      return;
    }
    kind.batches.set(key, { at, answers });
    kind.fences.set(job, fence);
    for (const { id, status } of answers) {
      kind.tries.set(`${job} ${id}`, this.tries(name, job, id) + 1);
      const item = kind.items.get(id) ?? { tries: 0, at: [] };
      item.tries += 1;
      item.status = status;
      // Only of those that came more than once, the times matter.
      if (status !== 'ok' || item.tries > 1) item.at.push(at);
      kind.items.set(id, item);
    }
    while (kind.items.has(kind.through + 1)) kind.through += 1;
  }

  /** A recount: nothing in it is told by anybody but the entries. */
  summary(name) {
    const { batches, items, again, other, late, busy, through } = this.#kind(name);
    const all = [...items.values()];
    const tries = {};
    for (const item of all) tries[item.tries] = (tries[item.tries] ?? 0) + 1;
    const with_ = (status) => all.filter((item) => item.status === status).length;
    const keys = [...batches.keys()];
    return {
      batches: batches.size,
      first_batches: keys.filter((key) => key.includes(':items:')).length,
      // The same key again with the same items, which is right after a crash; with others, which never is; an old fence;
      // how often the shop or this office asked for time.
      again, other, late, busy,
      items: items.size,
      // Every item up to this id was sent.
      through,
      ok: with_('ok'), failed: with_('failed'), skipped: with_('skipped'),
      tries,
    };
  }

  /** When the items were tried that failed at least once, ms. */
  times = (name) => Object.fromEntries([...this.#kind(name).items].filter(([, item]) => item.at.length > 0).map(([id, item]) => [id, item.at]));

  /** When the batches of new items came, ms. */
  pace = (name) => [...this.#kind(name).batches].filter(([key]) => key.includes(':items:')).map(([, batch]) => batch.at);
}
