"""How many keys and seconds does a decision take, in the queue and on the admin's own list?

    .venv/bin/python -m bench.decisions --var FOLDER --images 500

`--var`: an installation on SQLite whose images were assessed. It is not touched: its database is
copied to a scratch folder twice, pictures and models are linked, thumbnails start empty. Each copy
gets a gunicorn server as `make run` starts it and a real Chromium that signs a curator in.

First the worst images are decided on in the queue by keyboard alone, doing what each card says:
Enter for another label, the copies compared, Delete for what is no shoe, k for the rest, sometimes
“/” and a name, a range, “z” for a second thought. Then the same decisions are made on the admin's
list: tick, action, Go; a tenth of them one by one, the others in the list's best way, those that
are the same on a page together by somebody who knows beforehand which they are. In the end the
database has to hold every decision.

Seconds are the page's, from a key or click until it takes the next one: looking takes `--pause`
seconds per decision and is not counted.
"""
# ruff: noqa: E402 - settings read the folder, so it has to be known before Django is set up

import argparse
import os
import shutil
import sqlite3
import statistics
import sys
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import django

from bench.scratch import make_scratch

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--var", type=Path, required=True, help="folder of the installation")
    parser.add_argument("--images", type=int, default=500, help="how many to decide on")
    parser.add_argument("--pause", type=float, default=0.3, help="seconds a person looks")
    parser.add_argument("--chromium", default=os.environ.get("CHROMIUM", shutil.which("chromium")))
    OPTIONS = parser.parse_args()
    SCRATCH = make_scratch("decisions", DJANGO_ALLOW_ASYNC_UNSAFE="1")

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shoeproject.settings")
django.setup()

from django.contrib.auth.models import Group, User
from django.core.management import call_command
from django.db import connection
from django.db.models import Max
from django.urls import reverse
from playwright.sync_api import sync_playwright

from bench import servers
from bench.hands import WATCH, Changelist, Decision, Ledger, Queue
from curation.models import Review, ShoeImage
from tests.browsing import ARGUMENTS

NAME, PASSWORD = "decisions-bench", "a-bench-of-decisions"
ALONE_EVERY = 10


def main(var: Path, scratch: Path, images: int, pause: float, chromium: str) -> None:
    """Decide twice, check, print."""
    for folder in (scratch / "media", scratch / "static"):
        folder.mkdir()
    (scratch / "media" / "images").symlink_to((var / "media" / "images").resolve())
    (scratch / "models").symlink_to((var / "models").resolve())
    call_command("collectstatic", verbosity=0, interactive=False)
    print(f"{images} images, load {servers.load()}")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        with _curator(var, scratch, browser) as (page, address, before):
            page.goto(address + reverse("admin:curation_queue"))
            page.wait_for_selector("html.scripted .card:focus")
            ledger = Queue(page, pause).decide(images)
            page.wait_for_function(
                "!Object.keys(localStorage).some((key) => key.startsWith('queue-unsent'))"
            )
            answers = page.evaluate("answers")
            lost = _lost(ledger)
            decisions = _decisions(before)
            counted = Counter(Review.objects.filter(pk__gt=before).values_list("action", flat=True))
        _print_queue(ledger, answers)
        print(
            f"  in the database: {dict(counted)}; lost: {lost or 'nothing'}; load {servers.load()}"
        )
        with _curator(var, scratch, browser) as (page, address, before):
            hands, alone = Changelist(page, address), decisions[::ALONE_EVERY]
            single = hands.decide(alone, together=False)
            of_single = servers.load()
            rest = [each for each in decisions if each not in alone]
            listed = hands.decide(rest, together=True)
            made = Review.objects.filter(pk__gt=before).count()
        _print(f"Admin's list, one by one (every {ALONE_EVERY}th decision)", single)
        print(f"  load {of_single}")
        _print("Admin's list, the same decisions of a page together (the others)", listed)
        print(f"  in the database: {made} of {len(decisions)} decisions; load {servers.load()}")
        browser.close()
    for what, number in (("keys or clicks", _inputs), ("seconds of page", _seconds)):
        ratios = " and ".join(f"{number(each) / number(ledger):.2f}" for each in (single, listed))
        print(f"{what} per image, the list's to the queue's: {ratios} to 1")
    if lost or made != len(decisions):
        sys.exit("Decisions are missing.")


@contextmanager
def _curator(var: Path, scratch: Path, browser):
    """A fresh copy behind a server, a curator signed in: page, address, newest decision's key."""
    connection.close()
    for left in scratch.glob("db.sqlite3*"):
        left.unlink()
    # The database's own copying: what its journal holds comes along.
    with sqlite3.connect(var / "db.sqlite3") as source:
        with sqlite3.connect(scratch / "db.sqlite3") as target:
            source.backup(target)
    call_command("migrate", verbosity=0)
    user = User.objects.create_user(NAME, password=PASSWORD, is_staff=True)
    user.groups.set(Group.objects.filter(name="Curator"))
    before = Review.objects.aggregate(newest=Max("pk"))["newest"] or 0
    with servers.web_server() as address:
        context = browser.new_context(viewport={"width": 1280, "height": 800})
        page = context.new_page()
        page.add_init_script(WATCH)
        page.goto(address + reverse("admin:login"))
        page.keyboard.type(NAME)
        page.keyboard.press("Tab")
        page.keyboard.type(PASSWORD)
        page.keyboard.press("Enter")
        page.wait_for_selector("#user-tools")
        yield page, address, before
        context.close()


def _lost(ledger: Ledger) -> list[str]:
    """Decisions that the database does not show as they were made."""
    rows = {i.pk: i for i in ShoeImage.objects.filter(pk__in=ledger.expected).select_related()}
    lost = []
    for pk, (state, label) in ledger.expected.items():
        row = rows[pk]
        if row.state != state or (label and row.label.name != label):
            lost.append(f"{pk}: {state} {label}, but {row.state} {row.label}")
    return lost


def _decisions(before: int) -> list[Decision]:
    """The last decision on each image, in the order in which they were made."""
    decided = {}
    for row in Review.objects.filter(pk__gt=before).order_by("pk"):
        if row.action == "undo":
            decided.pop(row.image_id, None)
        else:
            label = row.label_to_id if row.action == "relabel" else None
            decided[row.image_id] = (row.image_id, row.action, label)
    return list(decided.values())


def _print_queue(ledger: Ledger, answers: list[dict]) -> None:
    _print("Queue", ledger)
    print(f"  kinds: {dict(Counter(act.kind for act in ledger.acts))}")
    confirmed = []
    for act in ledger.acts:
        after = [a["at"] for a in answers if a["at"] >= act.at and set(act.images) & set(a["ids"])]
        if act.images and after:
            confirmed.append((after[0] - act.at) / 1000)
    _spread("until the server has confirmed", confirmed)
    turned = [act.seconds for act in ledger.acts if act.turned]
    if turned:
        _spread(f"{len(turned)} next pages, waiting included", turned)


def _print(name: str, ledger: Ledger) -> None:
    print(f"{name}: {ledger.images} images, {_inputs(ledger):.2f} keys or clicks per image")
    # An act on several images counts for each of them, with its share.
    shares = [
        act.seconds / len(act.images) for act in ledger.acts for _ in act.images if act.images
    ]
    _spread("seconds of page per image", shares)
    _spread("seconds of page per act", [act.seconds for act in ledger.acts])


def _spread(words: str, values: list[float]) -> None:
    cut = statistics.quantiles(values, n=20)[-1] if len(values) > 1 else values[0]
    print(
        f"  {words}: mean {statistics.mean(values):.3f}, median {statistics.median(values):.3f}, "
        f"95th percentile {cut:.3f} ({len(values)})"
    )


def _inputs(ledger: Ledger) -> float:
    return sum(act.inputs for act in ledger.acts) / ledger.images


def _seconds(ledger: Ledger) -> float:
    return sum(act.seconds for act in ledger.acts) / ledger.images


if __name__ == "__main__":
    try:
        main(OPTIONS.var, SCRATCH, OPTIONS.images, OPTIONS.pause, OPTIONS.chromium)
    finally:
        shutil.rmtree(SCRATCH)
