// The sink of a sync, which refuses every item in the words of its id: the call on standard input, NDJSON on standard output.
import { readFileSync } from 'node:fs';

const { data: { items } } = JSON.parse(readFileSync(0, 'utf8'));
const result = items.map(({ id }) => ({ id, status: 'failed', code: id.slice(0, 20), message: id }));
process.stdout.write(`${JSON.stringify({ result })}\n`);
