// JSON lines: how the test programs speak with the tests that start them.
import { createInterface } from 'node:readline';

/** Sends one value to the test. */
export function say(value) {
  process.stdout.write(`${JSON.stringify(value)}\n`);
}

/** Gives the values that the test sends, until it closes its end. */
export async function* heard() {
  for await (const line of createInterface({ input: process.stdin })) {
    yield JSON.parse(line);
  }
}
