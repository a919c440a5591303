"""How many keys and seconds does a decision take, in the queue and on the admin's own list?

    .venv/bin/python -m bench.decisions --var FOLDER --images 500

`--var`: an installation on SQLite whose images were assessed. It is not changed: its database is
copied to a scratch folder twice, pictures and models are linked, thumbnails start empty. Each copy
gets a gunicorn server as `make run` starts it and a real Chromium in which a curator signs in.

First the first images of the queue are decided on by keyboard alone, as each card suggests: Enter
for another label, copies compared, Delete for what is no shoe, k for the rest, sometimes “/” and a
name, a range, “z” to undo. Then the same decisions are made on the admin's list: tick, action, Go;
a tenth of them one by one, the others in the way that is best for the list, equal decisions of a
page together. In the end the database has to hold every decision.

Seconds run from a key or click until the page accepts the next one; `--pause` seconds of looking
per decision are not counted.
"""
# ruff: noqa: E402 - settings read the folder, so it has to be known before Django is set up

import argparse
import sqlite3
import sys
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import django

from bench import chromium
from bench.scratch_installation import make_scratch

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--var", type=Path, required=True, help="folder of the installation")
    parser.add_argument("--images", type=int, default=500, help="how many to decide on")
    parser.add_argument("--pause", type=float, default=0.3, help="seconds a person looks")
    chromium.add_option(parser)
    OPTIONS = parser.parse_args()
    SCRATCH = make_scratch("decisions")

django.setup()

from django.contrib.auth.models import Group, User
from django.core.management import call_command
from django.db import connection
from django.db.models import Max
from django.urls import reverse

from bench import processes, servers
from bench.decision_drivers import NOTE_TIMES, ChangeListDriver, Decision, QueueDriver, Record
from bench.timing import summary
from curation.models import Review, ShoeImage

NAME, PASSWORD = "decisions-bench", "a-bench-of-decisions"
ALONE_EVERY = 10


def main(var: Path, scratch: Path, images: int, pause: float, browser_path: str) -> None:
    """Decide twice, check, print."""
    for folder in (scratch / "media", scratch / "static"):
        folder.mkdir()
    (scratch / "media" / "images").symlink_to((var / "media" / "images").resolve())
    (scratch / "models").symlink_to((var / "models").resolve())
    call_command("collectstatic", verbosity=0, interactive=False)
    print(f"{images} images, load {processes.load_average()}")
    with chromium.launched(browser_path) as browser:
        with _curator(var, scratch, browser) as (page, address, before):
            page.goto(address + reverse("admin:curation_queue"))
            page.wait_for_selector("html.scripted .card:focus")
            queue = QueueDriver(page, pause).decide(images)
            page.wait_for_function(
                "!Object.keys(localStorage).some((key) => key.startsWith('queue-unsent'))"
            )
            answers = page.evaluate("answers")
            lost = _lost(queue)
            decisions = _decisions(before)
            actions = Counter(Review.objects.filter(pk__gt=before).values_list("action", flat=True))
        _print_queue(queue, answers)
        print(f"  in the database: {dict(actions)}; lost: {lost or 'nothing'}")
        with _curator(var, scratch, browser) as (page, address, before):
            driver, first = ChangeListDriver(page, address), decisions[::ALONE_EVERY]
            alone = driver.decide(first, together=False)
            rest = [each for each in decisions if each not in first]
            together = driver.decide(rest, together=True)
            made = Review.objects.filter(pk__gt=before).count()
        _print(f"Admin's list, one by one (every {ALONE_EVERY}th decision)", alone)
        _print("Admin's list, equal decisions of a page together (the others)", together)
        print(f"  in the database: {made} of {len(decisions)} decisions")
    for title, number in (("keys or clicks", _inputs), ("seconds of page", _seconds)):
        ratios = " and ".join(f"{number(each) / number(queue):.2f}" for each in (alone, together))
        print(f"{title} per image, the list's to the queue's: {ratios} to 1")
    print(f"load {processes.load_average()}")
    if lost or made != len(decisions):
        sys.exit("Decisions are missing.")


@contextmanager
def _curator(var: Path, scratch: Path, browser):
    """Serve a fresh copy of the database, with a curator signed in.

    Yields the page, the site's address, and the primary key of the newest decision so far.
    """
    connection.close()
    for file in scratch.glob("db.sqlite3*"):
        file.unlink()
    # SQLite's own backup includes what is still in the journal.
    with sqlite3.connect(var / "db.sqlite3") as source:
        with sqlite3.connect(scratch / "db.sqlite3") as target:
            source.backup(target)
    call_command("migrate", verbosity=0)
    user = User.objects.create_user(NAME, password=PASSWORD, is_staff=True)
    user.groups.set(Group.objects.filter(name="Curator"))
    before = Review.objects.aggregate(newest=Max("pk"))["newest"] or 0
    with servers.web_server() as (address, _):
        context = browser.new_context(viewport={"width": 1280, "height": 800})
        page = context.new_page()
        page.add_init_script(NOTE_TIMES)
        page.goto(address + reverse("admin:login"))
        page.keyboard.type(NAME)
        page.keyboard.press("Tab")
        page.keyboard.type(PASSWORD)
        page.keyboard.press("Enter")
        page.wait_for_selector("#user-tools")
        yield page, address, before
        context.close()


def _lost(record: Record) -> list[str]:
    """Describe the decisions that the database does not hold as they were made."""
    rows = {i.pk: i for i in ShoeImage.objects.filter(pk__in=record.expected).select_related()}
    lost = []
    for pk, (state, label) in record.expected.items():
        row = rows[pk]
        if row.state != state or (label and row.label.name != label):
            lost.append(f"{pk}: {state} {label}, but {row.state} {row.label}")
    return lost


def _decisions(before: int) -> list[Decision]:
    """Return the last decision on each image, in the order in which they were made."""
    decided = {}
    for row in Review.objects.filter(pk__gt=before).order_by("pk"):
        if row.action == "undo":
            decided.pop(row.image_id, None)
        else:
            label = row.label_to_id if row.action == "relabel" else None
            decided[row.image_id] = (row.image_id, row.action, label)
    return list(decided.values())


def _print_queue(record: Record, answers: list[dict]) -> None:
    _print("Queue", record)
    print(f"  kinds: {dict(Counter(step.kind for step in record.steps))}")
    waits = []
    for step in record.steps:
        after = [each["at"] for each in answers
                 if each["at"] >= step.at and set(step.images) & set(each["ids"])]  # fmt: skip
        waits += [(at - step.at) / 1000 for at in after[:1]]
    print(f"  seconds until the server has confirmed: {summary(waits, 3)}")
    new_pages = [step.seconds for step in record.steps if step.new_page]
    print(f"  seconds until the next page, waiting included: {summary(new_pages, 3)}")


def _print(name: str, record: Record) -> None:
    print(f"{name}: {record.images} images, {_inputs(record):.2f} keys or clicks per image")
    # A step on several images counts once for each of them, with its share of the time.
    shares = [step.seconds / len(step.images) for step in record.steps for _ in step.images]
    print(f"  seconds of page per image: {summary(shares, 3)}")
    print(f"  seconds of page per step: {summary([step.seconds for step in record.steps], 3)}")


def _inputs(record: Record) -> float:
    return sum(step.inputs for step in record.steps) / record.images


def _seconds(record: Record) -> float:
    return sum(step.seconds for step in record.steps) / record.images


if __name__ == "__main__":
    main(OPTIONS.var, SCRATCH, OPTIONS.images, OPTIONS.pause, OPTIONS.chromium)
