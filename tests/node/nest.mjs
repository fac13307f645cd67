// A Nest application with @nestjs/bull: node nest.mjs <redis url> <queue>
//
// It adds jobs through an injected queue and listens with @OnGlobalQueueCompleted, but has no @Process: the jobs are
// done elsewhere. Takes {add: [name, data, opts]}, answers {added}, {finished} or {failed}, and tells {heard: [id, result]}.
// Decorators are applied by hand, as TypeScript would.
import 'reflect-metadata';
import { BullModule, getQueueToken, OnGlobalQueueCompleted, Processor } from '@nestjs/bull';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { heard, say } from './lines.mjs';

const [redisUrl, name] = process.argv.slice(2);

class Listener {
  completed(id, result) {
    say({ heard: [id, JSON.parse(result)] });
  }
}
OnGlobalQueueCompleted()(Listener.prototype, 'completed', Object.getOwnPropertyDescriptor(Listener.prototype, 'completed'));
Processor(name)(Listener);

class App {}
Module({
  imports: [BullModule.forRoot({ url: redisUrl }), BullModule.registerQueue({ name })],
  providers: [Listener],
})(App);

const app = await NestFactory.createApplicationContext(App, { logger: ['error', 'warn'] });
const queue = app.get(getQueueToken(name));
await queue.isReady();
say({ ready: true });
for await (const { add } of heard()) {
  const job = await queue.add(...add);
  say({ added: job.id });
  job.finished().then((finished) => say({ finished }), (error) => say({ failed: error.message }));
}
await app.close();
process.exit(0);
