// JSON as it came: numbers that a double cannot hold keep their digits. Jobs carry ids of shops and orders that have more
// than 53 bits, and a dashboard that shows another number than Redis has lies.

/** A number with more digits than a double holds. */
export class ExactNumber {
  constructor(readonly digits: string) {}

  toString(): string {
    return this.digits;
  }

  toJSON(): unknown {
    const raw = (JSON as unknown as { rawJSON?: (text: string) => unknown }).rawJSON;
    return raw ? raw(this.digits) : Number(this.digits);
  }
}

const MANY_DIGITS = /\d{16}/;

export function parse(text: string): unknown {
  if (!MANY_DIGITS.test(text)) return JSON.parse(text);
  const reviver = (_: string, value: unknown, context?: { source?: string }): unknown => {
    const source = context?.source;
    return typeof value === 'number' && source && source.length > 15 && String(value) !== source ? new ExactNumber(source) : value;
  };
  return JSON.parse(text, reviver as (key: string, value: unknown) => unknown);
}

export const pretty = (value: unknown): string => JSON.stringify(value, null, 2) ?? 'undefined';

/** One line, for cells. */
export const compact = (value: unknown): string => (typeof value === 'string' ? value : (JSON.stringify(value) ?? ''));
