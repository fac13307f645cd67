"""One BullMQ queue by remote control: python bullmq_queue.py <redis url> <queue> [queue options as JSON]

Takes requests {request, do, ...} and answers each with {request, ok} or {request, error}. Requests run side by side, so
that one may wait for a job while the next adds it. The Node twin is tests/node/bullmq.mjs.
"""

import asyncio
import json
import os
import sys

from bullmq import FlowProducer, Job, Queue, QueueEvents, Worker

redis_url, name, *rest = sys.argv[1:]
settings = {**json.loads(rest[0] if rest else "{}"), "connection": redis_url}
ended: dict[str, asyncio.Future] = {}
workers: list[Worker] = []


def say(value):
    """Sends one value to the test."""
    print(json.dumps(value), flush=True)


def plain(value):
    """What JSON can say of it: a job holds its queue, which holds sockets."""
    if isinstance(value, list):
        return [plain(one) for one in value]
    if isinstance(value, Job):
        fields = ("id", "name", "data", "returnvalue", "failedReason", "attemptsMade", "stacktrace", "progress")
        return {field: getattr(value, field, None) for field in fields}
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    return value


def end_of(job_id):
    """The future of a job's end."""
    return ended.setdefault(str(job_id), asyncio.get_running_loop().create_future())


async def call(function, args):
    """Calls what may or may not be a coroutine."""
    value = function(*args)
    return await value if asyncio.iscoroutine(value) or isinstance(value, asyncio.Future) else value


class Requests:
    """What the test may ask for."""

    def __init__(self):
        self.queue = Queue(name, settings)
        # From the beginning: whatever ended before the first read is heard as well.
        self.events = QueueEvents(name, {**settings, "autorun": False, "lastEventId": "0"})
        self.events.on("completed", self.completed)
        self.events.on("failed", self.failed)
        self.listening = asyncio.ensure_future(self.events.run())

    def completed(self, event, *_):
        future = end_of(event["jobId"])
        if not future.done():
            future.set_result({"result": event.get("returnvalue")})

    def failed(self, event, *_):
        future = end_of(event["jobId"])
        if not future.done():
            future.set_result({"reason": event.get("failedReason")})

    async def add(self, args, **_):
        return await self.queue.add(*args)

    async def queue_(self, method, args, **_):
        return await call(getattr(self.queue, method), args)

    async def job(self, id, method, args, **_):
        job = await Job.fromId(self.queue, id)
        if job is None:
            raise KeyError(f"no job {id}")
        if method == "toJSON":
            return job
        found = getattr(job, method)
        return await call(found, args) if callable(found) else found

    async def finished(self, id, **_):
        end = await asyncio.shield(end_of(id))
        if "reason" in end:
            raise RuntimeError(end["reason"])
        return end["result"]

    async def flow(self, args, **_):
        return await FlowProducer(redis_url).add(*args)

    async def work(self, concurrency, runMs, **_):
        async def process(job, _token):
            say({"started": job.id})
            await asyncio.sleep(runMs / 1000)
            return {"by": "python"}

        workers.append(Worker(name, process, {**settings, "concurrency": concurrency}))
        return True


async def answer(requests, request):
    """Does one request."""
    number, what = request.pop("request"), request.pop("do")
    try:
        method = getattr(requests, "queue_" if what == "queue" else what)
        say({"request": number, "ok": plain(await method(**request))})
    except Exception as error:  # whatever it is goes to the test
        say({"request": number, "error": str(error)})


async def main():
    """Answers requests until the test closes its end."""
    requests, running = Requests(), set()
    say({"ready": True})
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        task = asyncio.create_task(answer(requests, json.loads(line)))
        running.add(task)
        task.add_done_callback(running.discard)
    for worker in workers:
        await worker.close(True)
    sys.stdout.flush()
    # Listeners and blocked connections have nothing more to say.
    os._exit(0)


asyncio.run(main())
