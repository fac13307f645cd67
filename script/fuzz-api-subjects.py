"""Gives a part of schemathesis' requests something to act on: most of what the API can do ends or removes its subject.

A hook of schemathesis. FUZZ_URL and FUZZ_TOKEN say where the server is, and who may do everything there. Other requests stay as they were made.
"""

import base64
import hashlib
import hmac
import itertools
import json
import os
import random
import urllib.parse
import urllib.request

import schemathesis

URL = f"{os.environ['FUZZ_URL']}/api/v1"
TOKEN = os.environ["FUZZ_TOKEN"]
# Of the requests with names that exist, this part gets a subject, and of these the same part a body that is fine.
PART = 0.5
numbers = itertools.count(1)
chance = random.Random(1)


def ask(method, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"{URL}{path}", data=data, method=method, headers=headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def job(queue="shop", then=None, **opts):
    """A job of its own, and what was done to it; its id."""
    id = f"subject-{next(numbers)}"
    ask("POST", f"/queues/{queue}/jobs", {"name": "sync", "data": {"shop": "acme"}, "opts": {"jobId": id, **opts}})
    if then:
        ask("POST", f"/queues/{queue}/jobs/{id}/{then}", {"reason": "for the requests"})
    return {"queue": queue, "id": id}


def sync():
    started = ask("POST", "/orgs/acme/syncs", {"queue": "shop", "name": f"import-{next(numbers)}"})
    return {"queue": "shop", "id": started["sync"]["id"], "org": "acme"}


def scheduler():
    id = f"subject-{next(numbers)}"
    ask("PUT", f"/queues/pdf/schedulers/{id}", {"every": 3_600_000})
    return {"queue": "pdf", "id": id}


def operation():
    return {"id": ask("POST", "/queues/shop/bulk", {"action": "retry", "dryRun": True})["id"]}


def queue():
    name = f"queue-{next(numbers)}"
    ask("POST", f"/queues/{name}/jobs?dialect=bull", {"name": "sync"})
    return {"queue": name}


# Of a part of the operations: whom the request is about.
SUBJECTS = {
    "GET /queues/{queue}/jobs/{id}": job,
    "DELETE /queues/{queue}/jobs/{id}": job,
    "PATCH /queues/{queue}/jobs/{id}": job,
    "POST /queues/{queue}/jobs/{id}/duplicate": job,
    "POST /queues/{queue}/jobs/{id}/cancel": job,
    "POST /queues/{queue}/jobs/{id}/kill": job,
    "POST /queues/{queue}/jobs/{id}/force-done": job,
    "POST /queues/{queue}/jobs/{id}/promote": lambda: job(delay=3_600_000),
    "POST /queues/{queue}/jobs/{id}/retry": lambda: job(then="cancel"),
    # These wait for the end of a job, which must have come.
    "GET /queues/{queue}/jobs/{id}/wait": lambda: job(then="force-done"),
    "GET /queues/{queue}/jobs/{id}/logs": lambda: job(then="force-done"),
    "GET /flows/{queue}/{id}": lambda: job("pdf"),
    "GET /queues/{queue}/schedulers/{id}": scheduler,
    "PUT /queues/{queue}/schedulers/{id}": scheduler,
    "DELETE /queues/{queue}/schedulers/{id}": scheduler,
    "POST /queues/{queue}/schedulers/{id}/run": scheduler,
    "GET /operations/{id}": operation,
    "POST /operations/{id}/stop": operation,
    "POST /queues/{queue}/obliterate": queue,
    "POST /workers/{id}/quiet": lambda: {"id": "w-1"},
    "POST /workers/{id}/resume": lambda: {"id": "w-1"},
    "POST /hooks/{name}": lambda: {"name": "woo"},
}
for base in ("/syncs", "/orgs/{org}/syncs"):
    for act in ("cancel", "force-done", "pause", "resume"):
        SUBJECTS[f"POST {base}/{{queue}}/{{id}}/{act}"] = sync
    for part in ("", "/items", "/timeline"):
        SUBJECTS[f"GET {base}/{{queue}}/{{id}}{part}"] = sync
    # Its sink has refused an item, and will again.
    SUBJECTS[f"POST {base}/{{queue}}/{{id}}/retry-items"] = lambda: {"queue": "refused", "id": "refused", "org": "acme"}

# What those take that a generated body hardly ever has.
BODIES = {
    "PUT /queues/{queue}/schedulers/{id}": {"every": 3_600_000},
    "PATCH /queues/{queue}/jobs/{id}": {"data": {"shop": "b"}},
}


@schemathesis.hook
def before_call(context, case, kwargs):
    label = case.operation.label
    if label not in SUBJECTS or chance.random() > PART:
        return
    parts = SUBJECTS[label]()
    for name in case.path_parameters or {}:
        if name in parts:
            case.path_parameters[name] = urllib.parse.quote(parts[name], safe="")
    if chance.random() > PART:
        return
    if label == "POST /hooks/{name}":
        body = json.dumps({"id": next(numbers)}).encode()
        signature = base64.b64encode(hmac.new(b"secret", body, hashlib.sha256).digest()).decode()
        case.body, case.media_type = body, "application/json"
        case.headers["X-WC-Webhook-Signature"] = signature
    elif label.endswith("/obliterate"):
        case.body = {"confirm": parts["queue"], "reason": "for the requests"}
    elif label in BODIES:
        case.body = BODIES[label]
    elif label.startswith("POST") and not label.startswith("POST /queues/{queue}/schedulers"):
        case.body = {"reason": "for the requests"}
