// The samples of `bullock init` for Next and Nest, called as their frameworks call them:
// node samples.mjs <route.mjs> <jobs.controller.ts> <secret>
//
// Says for each [[status, body], …]: a good job, one with a wrong signature, one without a handler. TypeScript comes from
// the dashboard's packages.
import { execFileSync } from 'node:child_process';
import { rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Webhook } from 'standardwebhooks';
import { say } from './lines.mjs';

const [route, controller, secret] = process.argv.slice(2);
process.env.WEBHOOK_SECRET = secret;

const body = JSON.stringify({ to: 'ada' });
const headers = (text) => {
  const id = 'msg_1';
  const now = new Date();
  return {
    'webhook-id': id,
    'webhook-timestamp': String(Math.floor(now / 1000)),
    'webhook-signature': new Webhook(secret).sign(id, now, text),
  };
};
const calls = [
  ['welcome', headers(body)],
  ['welcome', headers('{"to":"eve"}')],
  ['other', headers(body)],
];

const { POST } = await import(route);
const answers = [];
for (const [name, signed] of calls) {
  const request = new Request('http://127.0.0.1/api/jobs', { method: 'POST', body, headers: signed });
  const response = await POST(request, { params: Promise.resolve({ name }) });
  answers.push([response.status, await response.json()]);
}
say(answers);

const tsc = fileURLToPath(new URL('../../web/node_modules/.bin/tsc', import.meta.url));
const flags = ['--ignoreConfig', '--noCheck', '--experimentalDecorators', '--module', 'esnext', '--moduleResolution', 'bundler'];
execFileSync(tsc, [...flags, '--target', 'es2022', '--outDir', dirname(controller), controller], { stdio: 'inherit' });
const path = controller.replace(/\.ts$/, '.mjs');
await rename(controller.replace(/\.ts$/, '.js'), path);
await import('reflect-metadata');
const { JobsController } = await import(path);
const nest = new JobsController();
const said = [];
for (const [name, signed] of calls) {
  try {
    said.push([200, await nest.run(name, { rawBody: Buffer.from(body), headers: signed })]);
  } catch (error) {
    said.push([error.getStatus(), error.getResponse()]);
  }
}
say(said);
