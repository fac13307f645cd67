// Numbers, times and sizes as people read them.

const whole = new Intl.NumberFormat('en');

/** 12 345, with thin spaces, which no locale misreads. */
export const count = (n: number): string => whole.format(n).replaceAll(',', '\u2009');

/** 12.3k where room is short. */
export function short(n: number): string {
  if (n < 10_000) return count(n);
  if (n < 1_000_000) return `${trim(n / 1000)}k`;
  return `${trim(n / 1_000_000)}M`;
}

const trim = (n: number): string => (n < 100 ? n.toFixed(1).replace(/\.0$/, '') : n.toFixed(0));

/** A rate, given per second. */
export function rate(perSecond: number | null | undefined): string {
  if (perSecond === null || perSecond === undefined) return '–';
  if (perSecond === 0) return '0';
  if (perSecond < 0.1) return perSecond.toFixed(2);
  return perSecond < 100 ? trim(perSecond) : short(Math.round(perSecond));
}

/** 230 ms, 4.1 s, 3 m 12 s, 2 h 5 m, 3 d 4 h. */
export function duration(ms: number | null | undefined): string {
  if (ms === null || ms === undefined || !Number.isFinite(ms)) return '–';
  const value = Math.max(0, ms);
  if (value < 1000) return `${Math.round(value)} ms`;
  const seconds = value / 1000;
  if (seconds < 10) return `${trim(Math.floor(seconds * 10) / 10)} s`;
  return age(value);
}

/** As duration, in whole seconds: for what ticks. */
export function age(ms: number): string {
  const s = Math.max(0, Math.floor(ms / 1000));
  if (s < 60) return `${s} s`;
  const m = Math.floor(s / 60);
  if (m < 60) return m < 10 && s % 60 ? `${m} m ${s % 60} s` : `${m} m`;
  const h = Math.floor(m / 60);
  if (h < 24) return h < 10 && m % 60 ? `${h} h ${m % 60} m` : `${h} h`;
  const d = Math.floor(h / 24);
  return d < 10 && h % 24 ? `${d} d ${h % 24} h` : `${d} d`;
}

const clockFormat = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' });
const dayFormat = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short' });

/** 14:03:11, with the date when it is not today. */
export function clock(ms: number): string {
  const date = new Date(ms);
  const today = new Date().toDateString() === date.toDateString();
  return today ? clockFormat.format(date) : `${dayFormat.format(date)}, ${clockFormat.format(date)}`;
}

/** The full time, for titles and copying. */
export const iso = (ms: number): string => new Date(ms).toISOString();

export function bytes(n: number | null | undefined): string {
  if (n === null || n === undefined) return '–';
  for (const unit of ['B', 'KiB', 'MiB']) {
    if (n < 1024) return `${trim(n)} ${unit}`;
    n /= 1024;
  }
  return `${trim(n)} GiB`;
}

/** A share of one, as percent; never 100 % before all is done. */
export function percent(share: number): string {
  const value = share * 100;
  return `${share < 1 ? Math.min(99, Math.floor(value)) : 100} %`;
}

export const plural = (n: number, one: string, many = `${one}s`): string => `${count(n)} ${n === 1 ? one : many}`;
