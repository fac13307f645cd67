// A handler that goes step by step and tells of each: job on standard input, NDJSON on standard output.
//
// data: {steps, stepMs, fail?, log?, progress?, result?}
import { readFileSync } from 'node:fs';

const job = JSON.parse(readFileSync(0, 'utf8'));
const { steps = 1, stepMs = 0, fail, failsItems = 0, log = false, progress, result = { steps } } = job.data ?? job;
const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
for (let processed = 0; processed <= steps; processed += 1) {
  if (processed > 0) await new Promise((resolve) => setTimeout(resolve, stepMs));
  const failed = Math.min(processed, failsItems);
  if (steps > 1) say({ progress: { total: steps, processed, successful: processed - failed, failed } });
  if (log) say({ log: `step ${processed} of ${steps}` });
}
if (progress !== undefined) say({ progress });
if (fail) say({ error: { message: fail, retryable: false } });
else say({ result });
