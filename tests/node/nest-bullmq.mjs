// A Nest application with @nestjs/bullmq: node nest-bullmq.mjs <redis url> <queue>
//
// It adds jobs through an injected queue and listens with @QueueEventsListener, but has no @Processor: the jobs are done
// elsewhere. Takes {add: [name, data, opts]}, answers {added}, and tells {heard: [id, result]} or {failed: [id, reason]}.
// Decorators are applied by hand, as TypeScript would.
import 'reflect-metadata';
import { BullModule, getQueueToken, OnQueueEvent, QueueEventsHost, QueueEventsListener } from '@nestjs/bullmq';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { heard, say } from './lines.mjs';

const [redisUrl, name] = process.argv.slice(2);
const { hostname, port } = new URL(redisUrl);

class Listener extends QueueEventsHost {
  completed({ jobId, returnvalue }) {
    say({ heard: [jobId, returnvalue] });
  }

  failed({ jobId, failedReason }) {
    say({ failed: [jobId, failedReason] });
  }
}
for (const event of ['completed', 'failed']) {
  OnQueueEvent(event)(Listener.prototype, event, Object.getOwnPropertyDescriptor(Listener.prototype, event));
}
// From the beginning: what ends before the first read is heard as well.
QueueEventsListener(name, { lastEventId: '0' })(Listener);

class App {}
Module({
  imports: [
    BullModule.forRoot({ connection: { host: hostname, port: Number(port), maxRetriesPerRequest: null } }),
    BullModule.registerQueue({ name }),
  ],
  providers: [Listener],
})(App);

const app = await NestFactory.createApplicationContext(App, { logger: ['error', 'warn'] });
const queue = app.get(getQueueToken(name));
await queue.waitUntilReady();
say({ ready: true });
for await (const { add } of heard()) {
  const job = await queue.add(...add);
  say({ added: job.id });
}
await app.close();
process.exit(0);
