"""Does a visitor notice that another version is promoted?

    .venv/bin/python -m bench.promoting --photos FOLDER --requests 10000

Makes a scratch installation, runs it as `make run` does, and stores a second version beside the
model that comes with the project: the same network with the rows of its last layer in reverse
order, so that it names other types, with reference logits to match and another temperature.
--clients visitors send photographs from the folder to `/api/v1/predictions/`, each one request
after the other on a connection that stays open. Meanwhile the two versions are promoted in turn,
with 0.5 to 4 seconds between two changes, every fifth of which is a rollback. Web processes look
every MODEL_POLL_SECONDS (2 by default) which version is active, so one that is active for less than
that may be passed over.

Every answer has to be, in all its parts, what the version that it names says of that photograph,
worked out beforehand in this process, and the version signed into its id has to be that one. Failed
is any status but 200, any error of the connection, any answer that cannot be read and any promotion
that raises. 503 (busy) is counted by itself, and asked again when the server said to. The exit
status is 1 where anything failed or differed, a request or a version gave no answer, or a web
process is not the one it was: a run too short to see a change says so.

Printed besides: how long after a change the first and the last web process answered by the new
version (of those changes that all processes followed before the next one came), and the processes'
resident memory on the way. Linux only.
"""
# ruff: noqa: E402 - settings read the folder, so it has to be known before Django is set up

import argparse
import http.client
import json
import os
import random
import shutil
import statistics
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

from bench.scratch import make_scratch

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--photos", type=Path, required=True, help="searched in all its folders")
    parser.add_argument("--count", type=int, default=12, help="photographs to take from there")
    parser.add_argument("--requests", type=int, default=10_000)
    parser.add_argument("--clients", type=int, default=8)
    OPTIONS = parser.parse_args()
    SCRATCH = make_scratch("promoting")

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shoeproject.settings")
django.setup()

import numpy as np
from django.conf import settings

from bench import servers
from bench.installation import running
from bench.memory import memory
from bench.other_version import register_reversed
from bench.photographs import sample
from classifier.answers import answer
from classifier.models import ModelVersion
from classifier.registry import promote, store

PATH, HEADERS = "/api/v1/predictions/", {"Content-Type": "application/octet-stream"}
PAUSES = (0.5, 4.0)  # seconds between two changes
ROLLBACK_EVERY = 5
POINTS = 6  # at which memory is printed


@dataclass(frozen=True)
class Answer:
    """`at`: when it had come (monotonic seconds); `process`: the web process's id."""

    at: float
    seconds: float
    process: int
    version: str


@dataclass
class Record:
    """What the visitors met, and how often."""

    answers: list[Answer] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    failed: Counter = field(default_factory=Counter)
    busy: Counter = field(default_factory=Counter)  # by what the server said


@dataclass(frozen=True)
class Change:
    """A promotion or rollback; `memory`: each web process's resident MiB just before it."""

    at: float
    kind: str
    version: str
    memory: tuple[float, ...]


class Visitor(threading.Thread):
    """Asks for as long as there are numbers, on one connection while the server keeps it open."""

    def __init__(self, address: str, numbers: Iterator[int], photos, expected: dict, record):
        super().__init__()
        where = urlsplit(address)
        self.line = http.client.HTTPConnection(where.hostname, where.port, timeout=60)
        self.numbers, self.photos, self.expected = numbers, photos, expected
        self.record, self.process = record, 0

    def run(self):
        """Called by the thread."""
        for number in self.numbers:
            try:
                self._ask(number % len(self.photos))
            except Exception as error:  # whatever it is, it goes into the record
                self.record.failed[f"{type(error).__name__}: {error}"] += 1
                self.line.close()

    def _ask(self, which: int) -> None:
        while True:
            began = time.monotonic()
            status, headers, body = self._send(self.photos[which])
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
        signed = answer.read_id(given["id"])["version"]
        known = self.expected.get(version)
        if known is None or signed != version or {**given, "id": None} != known[which]:
            self.record.wrong.append(body.decode())

    def _send(self, photo: bytes):
        fresh = self.line.sock is None
        self.line.request("POST", PATH, photo, HEADERS)
        own = self.line.sock.getsockname()[1]
        response = self.line.getresponse()
        body = response.read()
        if fresh:
            self.process = servers.process_behind(self.line.port, own)
        return response.status, response.headers, body


class Changes(threading.Thread):
    """Promotes the version that is not active, or rolls back, until `over` is set."""

    def __init__(self, versions: list[ModelVersion], record: Record):
        super().__init__()
        self.versions, self.record = versions, record
        self.made, self.over = [], threading.Event()

    def run(self):
        """Called by the thread."""
        chance = random.Random(1)
        while not self.over.wait(chance.uniform(*PAUSES)):
            try:
                used = rss(servers.web_processes())
                active = ModelVersion.objects.get(active=True)
                other = next(version for version in self.versions if version != active)
                if len(self.made) % ROLLBACK_EVERY == ROLLBACK_EVERY - 1:
                    done = promote.rollback()
                else:
                    done = promote.promote(other)
            except Exception as error:  # whatever it is, it goes into the record
                self.record.failed[f"change: {type(error).__name__}: {error}"] += 1
                continue
            self.made.append(Change(time.monotonic(), done.kind, done.version.short, used))


def main(folder: Path, count: int, requests: int, clients: int) -> bool:
    """Run, check, print; whether all is as it should be."""
    photos = [path.read_bytes() for path in sample(folder, count)]
    print(f"{len(photos)} photographs, {clients} clients, load before {servers.load()}")
    with running() as address:
        versions = [ModelVersion.objects.get(), register_reversed()]
        expected = {version.short: said(version, photos) for version in versions}
        if any(one["top"] == two["top"] for one, two in zip(*expected.values(), strict=True)):
            raise SystemExit("The two versions say the same of a photograph; take other ones.")
        record, numbers, before = Record(), iter(range(requests)), servers.web_processes()
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
        after = servers.web_processes()
        used = [*(change.memory for change in changes.made), rss(after)]
        loads = (settings.VAR_DIR / "log" / "web.log").read_text().count("Serving ")
    show_answers(record, requests, seconds, {version.short: version.name for version in versions})
    show_changes(changes.made, record.answers, loads)
    show_memory(used, before, after)
    lacking = list(missing(record, requests, changes.made, set(expected)))
    for line in lacking:
        print(line)
    return before == after and not record.failed and not record.wrong and not lacking


def missing(record: Record, requests: int, changes: list, versions: set[str]) -> Iterator[str]:
    """What did not happen, so that the run shows nothing: a line for people each."""
    if len(record.answers) != requests:
        yield f"{len(record.answers)} of {requests} requests were answered."
    if not changes:
        yield "No version was promoted meanwhile."
    for version in sorted(versions - {each.version for each in record.answers}):
        yield f"Version {version} never answered."


def said(version: ModelVersion, photos: list[bytes]) -> list[dict]:
    """The version's answer to each photograph without its id, as JSON gives it back."""
    served = store.Served(version, store.load(version))
    answers = [answer.recognise(photo, served=served) for photo in photos]
    return [json.loads(json.dumps({**each, "id": None})) for each in answers]


def rss(pids: list[int]) -> tuple[float, ...]:
    """Resident memory of each process, in MiB."""
    return tuple(memory(Path(f"/proc/{pid}"))[0] for pid in pids)


def show_answers(record: Record, requests: int, seconds: float, names: dict[str, str]) -> None:
    """Print who answered, and how fast."""
    answers = record.answers
    print(f"{requests} requests in {seconds:.0f} s: {len(answers)} answered, "
          f"{sum(record.failed.values())} failed {dict(record.failed) or ''}")  # fmt: skip
    print(f"  told to come back (503) and asked again: {dict(record.busy) or 'none'}")
    print(f"  answers that are not exactly their version's: {len(record.wrong)}", *record.wrong[:3])
    for version, number in Counter(each.version for each in answers).most_common():
        print(f"  by {names.get(version, 'a version nobody knows')} ({version}): {number}")
    for process, number in Counter(each.process for each in answers).most_common():
        print(f"  by process {process}: {number}")
    times = [each.seconds * 1000 for each in answers]
    if len(times) > 1:
        cuts = statistics.quantiles(times, n=100)
        print(f"  ms for one: median {cuts[49]:.0f}, 99 % {cuts[98]:.0f}, most {max(times):.0f}")


def show_changes(changes: list[Change], answers: list[Answer], loads: int) -> None:
    """Print how many there were, and how fast they were followed."""
    kinds = ", ".join(f"{n} × {kind}" for kind, n in Counter(c.kind for c in changes).items())
    print(f"{len(changes)} changes of version ({kinds}); the processes loaded {loads} models")
    waits = list(followed(changes, answers))
    print(f"  followed by all processes before the next one: {len(waits)}")
    for who, seconds in zip(("first", "last"), zip(*waits, strict=True), strict=False):
        middle = statistics.median(seconds)
        print(f"  s until the {who} process did: median {middle:.2f}, most {max(seconds):.2f}")


def followed(changes: list[Change], answers: list[Answer]) -> Iterator[tuple[float, float]]:
    """(seconds until the first process answered by the new version, until the last one did).

    Only of changes that found every process at the old version and left it at the new one.
    """
    by_process: dict[int, list[Answer]] = {}
    for each in sorted(answers, key=lambda each: each.at):
        by_process.setdefault(each.process, []).append(each)
    for change, following in pairwise(changes):
        waits = []
        for mine in by_process.values():
            before = [each.version for each in mine if each.at < change.at][-1:]
            between = (e for e in mine if change.at <= e.at < following.at)
            first = next((e.at for e in between if e.version == change.version), None)
            if first is not None and before not in ([], [change.version]):
                waits.append(first - change.at)
        if len(waits) == len(by_process):
            yield min(waits), max(waits)


def show_memory(used: list[tuple], before: list[int], after: list[int]) -> None:
    """Print each process's memory as the changes went by."""
    same = "the same as at the beginning" if before == after else f"{before} became {after}"
    print(f"Web processes at the end: {same}")
    for point in sorted(set(np.linspace(0, len(used) - 1, POINTS).round().astype(int).tolist())):
        each = ", ".join(f"{mib:.0f}" for mib in used[point])
        print(f"  resident after {point} changes, MiB: {each}")


if __name__ == "__main__":
    fine = main(OPTIONS.photos, OPTIONS.count, OPTIONS.requests, OPTIONS.clients)
    if fine:
        shutil.rmtree(SCRATCH)
    else:
        print(f"The installation is kept in {SCRATCH}.")
    sys.exit(not fine)
