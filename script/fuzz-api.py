"""Which operations of the OpenAPI document were answered well, and which badly, in the reports of schemathesis.

Usage: fuzz-api.py URL TOKEN_FILE REPORT...
"""

import collections
import json
import sys
import urllib.error
import urllib.request

# Streams have no end, and callbacks need a run: tests/live and tests/admin have these.
APART = {"live", "callbacks"}
APART_PATHS = {"/login", "/logout"}


def ask(url, token, path):
    """The status and the text of an answer."""
    request = urllib.request.Request(f"{url}/api/v1{path}", headers={"Authorization": f"Bearer {token}"})
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as refusal:
        return refusal.code, refusal.read()


def operations(document):
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            if path not in APART_PATHS and not APART.intersection(operation["tags"]):
                yield f"{method.upper()} {path}"


def statuses(value, found, label=None):
    """Collects the status codes of all recorded answers by operation, wherever they stand in an event."""
    if isinstance(value, dict):
        label = value.get("label") if isinstance(value.get("label"), str) and value["label"].count(" /") == 1 else label
        if isinstance(value.get("status_code"), int) and label:
            found[label].add(value["status_code"])
        for member in value.values():
            statuses(member, found, label)
    elif isinstance(value, list):
        for member in value:
            statuses(member, found, label)


def main():
    url, token_file, *reports = sys.argv[1:]
    with open(token_file, encoding="utf-8") as file:
        token = file.read().strip()
    found = collections.defaultdict(set)
    for report in reports:
        with open(report, encoding="utf-8") as file:
            for line in file:
                statuses(json.loads(line), found)
    # Schemathesis leaves out the place that it has the document from.
    status, text = ask(url, token, "/openapi.json")
    found["GET /openapi.json"] = {status, ask(url, token, "/openapi.json?page=1")[0]}
    missing = 0
    for operation in sorted(operations(json.loads(text))):
        codes = found[operation]
        well, badly = any(code < 300 for code in codes), any(400 <= code < 500 for code in codes)
        if not (well and badly):
            missing += 1
        print(f"{'ok  ' if well and badly else 'NOT '} {operation}: {sorted(codes)}")
    if missing:
        print(f"{missing} operations were not answered both with a 2xx and with a 4xx")
        sys.exit(1)


main()
