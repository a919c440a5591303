"""Does promoting another version disturb requests that are being answered?

    .venv/bin/python -m bench.promoting --photos FOLDER --requests 10000

Makes a scratch installation, runs it as `make run` does, and stores a second version beside the
model that comes with the project: the same network with the rows of its last layer in reverse
order, so that it names other types, with reference logits to match and another temperature.
--clients visitors send photographs from the folder to `/api/v1/predictions/`, each one request
after the other on a connection that stays open. Meanwhile the two versions are promoted in turn,
with 0.5 to 4 seconds between two changes, every fifth of which is a rollback. Web processes check
every MODEL_POLL_SECONDS (2 by default) which version is active, so they may miss one that is active
for a shorter time.

Every answer has to equal, in all its parts, the answer of the version that it names to that
photograph, computed beforehand in this process, and the version signed into its id has to be that
one. Counted as failed: any status but 200, any error of the connection, any answer that cannot be
read and any promotion that raises. 503 (busy) is counted separately, and the request sent again
when the server says to. The exit status is 1 if anything failed or differed, a request or a version
gave no answer, or a web process was replaced.

Printed too: how long after a change the first and the last web process answered by the new version
(for those changes that all processes followed before the next one came), and the processes'
resident memory over time. Linux only.
"""
# ruff: noqa: E402 - settings read the folder, so it has to be known before Django is set up

import argparse
import http.client
import json
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit

import django

from bench.scratch_installation import keep_scratch, make_scratch

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--photos", type=Path, required=True, help="searched in all its folders")
    parser.add_argument("--count", type=int, default=12, help="photographs to take from there")
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--clients", type=int, default=8)
    OPTIONS = parser.parse_args()
    SCRATCH = make_scratch("promoting")

django.setup()

import numpy as np
from django.conf import settings

from bench import processes, servers
from bench.photographs import sample
from bench.reversed_version import register_reversed
from bench.timing import summary
from classifier.answers import answer, answer_id
from classifier.models import ModelVersion
from classifier.registry import promote, serving, stored

PATH, HEADERS = "/api/v1/predictions/", {"Content-Type": "application/octet-stream"}
PAUSES = (0.5, 4.0)  # seconds between two changes
ROLLBACK_EVERY = 5
MEMORY_LINES = 6  # to print


@dataclass(frozen=True)
class Answer:
    """`at`: when it had come (monotonic seconds); `process`: the web process's id."""

    at: float
    seconds: float
    process: int
    version: str


@dataclass
class Record:
    """All answers and errors."""

    answers: list[Answer] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    failed: Counter = field(default_factory=Counter)
    busy: Counter = field(default_factory=Counter)  # by the error's code


@dataclass(frozen=True)
class Change:
    """A promotion or rollback.

    `at`: when it was made (monotonic seconds); `memory`: each web process's resident MiB before it.
    """

    at: float
    kind: str
    version: str
    memory: tuple[float, ...]


class Visitor(threading.Thread):
    """Sends a request for each number, on one connection while the server keeps it open."""

    def __init__(self, address: str, numbers: Iterator[int], photos, expected: dict, record):
        super().__init__()
        url = urlsplit(address)
        self.connection = http.client.HTTPConnection(url.hostname, url.port, timeout=60)
        self.numbers, self.photos, self.expected = numbers, photos, expected
        self.record, self.process = record, 0

    def run(self):
        """Send until the numbers are used up."""
        for number in self.numbers:
            try:
                self._send(number % len(self.photos))
            except Exception as error:  # any error goes into the record
                self.record.failed[f"{type(error).__name__}: {error}"] += 1
                self.connection.close()

    def _send(self, which: int) -> None:
        while True:
            began = time.monotonic()
            status, headers, body = self._post(self.photos[which])
            if status != 503:
                break
            self.record.busy[json.loads(body)["code"]] += 1
            time.sleep(int(headers["Retry-After"]))
        if status != 200:
            self.record.failed[f"{status}: {body[:200].decode(errors='replace')}"] += 1
            return
        given, at = json.loads(body), time.monotonic()
        version = given["model"]["version"]
        self.record.answers.append(Answer(at, at - began, self.process, version))
        signed = answer_id.read(given["id"])["version"]
        known = self.expected.get(version)
        if known is None or signed != version or {**given, "id": None} != known[which]:
            self.record.wrong.append(body.decode())

    def _post(self, photo: bytes):
        fresh = self.connection.sock is None
        self.connection.request("POST", PATH, photo, HEADERS)
        own = self.connection.sock.getsockname()[1]
        response = self.connection.getresponse()
        body = response.read()
        if fresh:
            self.process = processes.web_process_of_connection(
                settings.VAR_DIR, self.connection.port, own
            )
        return response.status, response.headers, body


class Changes(threading.Thread):
    """Promotes the version that is not active, or rolls back, until `over` is set."""

    def __init__(self, versions: list[ModelVersion], record: Record):
        super().__init__()
        self.versions, self.record = versions, record
        self.made, self.over = [], threading.Event()

    def run(self):
        """Make changes until it is over."""
        chance = random.Random(1)
        while not self.over.wait(chance.uniform(*PAUSES)):
            try:
                used = web_memory()
                active = ModelVersion.objects.get(active=True)
                other = next(version for version in self.versions if version != active)
                if len(self.made) % ROLLBACK_EVERY == ROLLBACK_EVERY - 1:
                    done = promote.rollback()
                else:
                    done = promote.promote(other)
            except Exception as error:  # any error goes into the record
                self.record.failed[f"change: {type(error).__name__}: {error}"] += 1
                continue
            self.made.append(Change(time.monotonic(), done.kind, done.version.short, used))


def main(folder: Path, count: int, requests: int, clients: int) -> bool:
    """Run, check, print; returns whether nothing went wrong."""
    photos = [path.read_bytes() for path in sample(folder, count)]
    load = processes.load_average()
    print(f"{len(photos)} photographs, {clients} clients, load before {load}")
    with servers.whole_installation() as address:
        versions = [ModelVersion.objects.get(), register_reversed()]
        expected = {version.short: answers_of(version, photos) for version in versions}
        if any(one["top"] == two["top"] for one, two in zip(*expected.values(), strict=True)):
            raise SystemExit("Both versions give a photograph the same answer; choose others.")
        record, numbers = Record(), iter(range(requests))
        before = processes.web_processes(settings.VAR_DIR)
        changes = Changes(versions, record)
        visitors = [Visitor(address, numbers, photos, expected, record) for _ in range(clients)]
        began = time.monotonic()
        for thread in (changes, *visitors):
            thread.start()
        for visitor in visitors:
            visitor.join()
        seconds = time.monotonic() - began
        changes.over.set()
        changes.join()
        after = processes.web_processes(settings.VAR_DIR)
        used = [*(change.memory for change in changes.made), web_memory()]
        loads = (settings.VAR_DIR / "log" / "web.log").read_text().count("Serving ")
    print_answers(record, requests, seconds, {version.short: version.name for version in versions})
    print_changes(changes.made, record.answers, loads)
    print_memory(used, before, after)
    missing = list(what_is_missing(record, requests, changes.made, set(expected)))
    for line in missing:
        print(line)
    return before == after and not record.failed and not record.wrong and not missing


def what_is_missing(record: Record, requests: int, changes: list, versions: set) -> Iterator[str]:
    """Yield a line for each thing that did not happen, so that the run proves nothing."""
    if len(record.answers) != requests:
        yield f"{len(record.answers)} of {requests} requests were answered."
    if not changes:
        yield "No version was promoted meanwhile."
    for version in sorted(versions - {each.version for each in record.answers}):
        yield f"Version {version} never answered."


def answers_of(version: ModelVersion, photos: list[bytes]) -> list[dict]:
    """Return the version's answer to each photograph as parsed JSON, `id` being None."""
    served = serving.Served(version, stored.load(version))
    answers = [answer.recognise(photo, served=served) for photo in photos]
    return [json.loads(json.dumps({**each, "id": None})) for each in answers]


def web_memory() -> tuple[float, ...]:
    """Return the resident memory of each web process, in MiB."""
    return tuple(processes.memory(pid)[0] for pid in processes.web_processes(settings.VAR_DIR))


def print_answers(record: Record, requests: int, seconds: float, names: dict[str, str]) -> None:
    """Print which versions and processes answered, and how fast."""
    answers = record.answers
    print(f"{requests} requests in {seconds:.0f} s: {len(answers)} answered, "
          f"{sum(record.failed.values())} failed {dict(record.failed) or ''}")  # fmt: skip
    print(f"  refused (503) and sent again: {dict(record.busy) or 'none'}")
    print(f"  answers that are not exactly their version's: {len(record.wrong)}", *record.wrong[:3])
    for version, number in Counter(each.version for each in answers).most_common():
        print(f"  by {names.get(version, 'an unknown version')} ({version}): {number}")
    for process, number in Counter(each.process for each in answers).most_common():
        print(f"  by process {process}: {number}")
    print(f"  ms for one: {summary([each.seconds * 1000 for each in answers])}")


def print_changes(changes: list[Change], answers: list[Answer], loads: int) -> None:
    """Print how many changes there were, and how fast the processes followed."""
    kinds = ", ".join(f"{n} × {kind}" for kind, n in Counter(c.kind for c in changes).items())
    print(f"{len(changes)} changes of version ({kinds}); the processes loaded {loads} models")
    waits = list(followed(changes, answers))
    print(f"  followed by all processes before the next one: {len(waits)}")
    for process, seconds in zip(("first", "last"), zip(*waits, strict=True), strict=False):
        print(f"  s until the {process} process followed: {summary(seconds, 2)}")


def followed(changes: list[Change], answers: list[Answer]) -> Iterator[tuple[float, float]]:
    """Yield the seconds until the first and until the last process answered by the new version.

    Only of changes that found every process at the old version and left it at the new one.
    """
    by_process: dict[int, list[Answer]] = {}
    for each in sorted(answers, key=lambda each: each.at):
        by_process.setdefault(each.process, []).append(each)
    for change, following in pairwise(changes):
        waits = []
        for own in by_process.values():
            before = [each.version for each in own if each.at < change.at][-1:]
            between = (e for e in own if change.at <= e.at < following.at)
            first = next((e.at for e in between if e.version == change.version), None)
            if first is not None and before not in ([], [change.version]):
                waits.append(first - change.at)
        if len(waits) == len(by_process):
            yield min(waits), max(waits)


def print_memory(used: list[tuple], before: list[int], after: list[int]) -> None:
    """Print each process's memory at some of the changes."""
    same = "the same as at the beginning" if before == after else f"{before} became {after}"
    print(f"Web processes at the end: {same}")
    points = np.linspace(0, len(used) - 1, MEMORY_LINES).round().astype(int)
    for point in np.unique(points).tolist():
        each = ", ".join(f"{mib:.0f}" for mib in used[point])
        print(f"  resident after {point} changes, MiB: {each}")


if __name__ == "__main__":
    passed = main(OPTIONS.photos, OPTIONS.count, OPTIONS.requests, OPTIONS.clients)
    if not passed:
        keep_scratch()
        print(f"The installation is kept in {SCRATCH}.")
    sys.exit(not passed)
