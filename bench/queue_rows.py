"""How long do a curator's pages take with many images?

    .venv/bin/python -m bench.queue_rows --images 100000 --var /tmp/queue-rows

Makes an installation in the folder given (SQLite, or the database of DATABASE_URL), or uses the one
that an earlier call made there: drawn pictures, shared by many rows each, 38 labels, 25 sources,
500 sites, 300 collections, 8 licences, a history of decisions, an assessment of every image, and
findings on every eighth. Then requests the pages through Django's test client: queries, templates
and middleware count, the network and the browser do not. Prints medians.

No other requests are sent meanwhile, and the disk's cache is warm. The decisions that are measured
stay in the installation.
"""
# ruff: noqa: E402 - settings read the folder, so it has to be known before Django is set up

import argparse
import hashlib
import json
import os
import random
import statistics
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import islice
from pathlib import Path

import django

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--images", type=int, default=100_000, help="rows, if there are none yet")
    parser.add_argument("--var", type=Path, required=True, help="folder of the installation")
    parser.add_argument("--rounds", type=int, default=15, help="requests that a median is over")
    OPTIONS = parser.parse_args()
    os.environ["VAR_DIR"] = str(OPTIONS.var)

django.setup()

from django.contrib.auth.models import Group, User
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.core.management import call_command
from django.test import Client
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from PIL import Image, ImageDraw

from bench.photographs import jpeg
from bench.timing import milliseconds
from curation import splits
from curation.issues import findings, write
from curation.models import (
    Assessment,
    AssessRun,
    Collection,
    Finding,
    Review,
    ShoeImage,
    ShoeType,
    WorkList,
)
from curation.models.image import media_name
from curation.queue.rows import rows
from curation.similarity.perceptual_hash import bands
from shoeproject import sqlite_analyze

PICTURES, SOURCES, DOMAINS, COLLECTIONS, PEOPLE, BATCH = 300, 25, 500, 300, 5, 2000
LICENCES = ["unknown", "CC0", "CC BY", "CC BY-SA", "CC BY-NC", "public domain", "own", "asked"]
# Reason → its number among a thousand findings.
FREQUENCIES = {
    "label-issue": 300, "near-duplicate": 180, "outlier": 120, "loss": 100, "uncertain": 90,
    "exact-duplicate": 60, "blurred": 50, "leakage": 40, "tiny": 25, "dark": 20, "left": 15,
}  # fmt: skip
FINDINGS, PROPOSED, DECIDED, WRONG = 0.12, 0.2, 0.45, 0.15  # shares of images


def main(images: int, rounds: int) -> None:
    """Make images, request pages, print."""
    call_command("migrate", verbosity=0)
    call_command("collectstatic", verbosity=0, interactive=False)
    if not ShoeImage.objects.exists():
        began = time.perf_counter()
        make(images, random.Random(1))
        print(f"{images} images made in {time.perf_counter() - began:.0f} s", flush=True)
    sqlite_analyze.analyze()  # as `make run` does, and beat every hour
    client = Client(SERVER_NAME="localhost")
    client.force_login(User.objects.get(username="curator0"))
    print(f"{ShoeImage.objects.count()} images, {Finding.objects.count()} findings")
    for name, request in requests(client):
        try:
            spent = [milliseconds(request) for _ in range(rounds + 2)][2:]
        except NoReverseMatch:
            print(f"{name:44s} there is no such page")
            continue
        except StopIteration:
            print(f"{name:44s} no images are left")
            continue
        print(
            f"{name:44s} {statistics.median(spent):8.1f} ms  (worst {max(spent):.1f})", flush=True
        )
    began = time.perf_counter()
    lines = sum(1 for _ in rows())
    print(f"{'all findings listed':44s} {time.perf_counter() - began:8.2f} s   ({lines} lines)")


# --- the pages --------------------------------------------------------------------------------


def requests(client: Client) -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield what is measured: a name, and a function that sends one request."""

    def get(page, *args, **query):
        def send():
            response = client.get(reverse(page, args=args), query)
            assert response.status_code == 200, (page, query, response.content[:300])
            return response.content

        return send

    queue, data = "admin:curation_queue", "admin:curation_queue_data"
    slug = ShoeType.objects.filter(images__isnull=False).first().slug
    domain = ShoeImage.objects.values_list("domain", flat=True).first()
    yield "queue: the page", get(queue)
    yield "queue: the page, one given label", get(queue, given=slug)
    yield "queue: a facet changes, one given label", get(data, given=slug)
    yield "queue: a facet changes, one reason", get(data, reason="label-issue")
    yield "queue: a facet changes, one site", get(data, domain=domain)
    yield "queue: a facet changes, confirmed", get(data, state="confirmed")
    yield "queue: the next page", get(data, facets=0)
    yield "queue: a decision on one image", decision(client, 1)
    yield "queue: a decision on twenty images", decision(client, 20)
    yield "progress board", get("admin:curation_board")
    yield "findings API: the first page", get("api-findings")
    yield "findings API: one reason", get("api-findings", reason="leakage")
    yield "list of images", get("admin:curation_shoeimage_changelist")


def decision(client: Client, number: int) -> Callable[[], object]:
    """Return a function that rejects the next `number` images of the queue at each call."""
    waiting = ShoeImage.objects.filter(state="unreviewed", priority__gt=0.001)
    keys = iter(list(waiting.order_by("priority").values_list("pk", flat=True)[:2000]))

    def send():
        chosen = list(islice(keys, number))
        if not chosen:
            raise StopIteration
        body = {"action": "reject", "images": [{"id": pk, "seen": 0} for pk in chosen]}
        address = reverse("admin:curation_queue_decide")
        response = client.post(address, json.dumps(body), content_type="application/json")
        assert response.status_code == 200, response.content[:300]
        return response

    return send


# --- the installation -------------------------------------------------------------------------


def make(number: int, chance: random.Random) -> None:
    """Fill an empty installation."""
    people = [User.objects.create_user(f"curator{n}", is_staff=True) for n in range(PEOPLE)]
    for person in people:
        person.groups.set(Group.objects.filter(name="Curator"))
    types = list(ShoeType.objects.all())
    chance.shuffle(types)
    pictures = [picture(seed) for seed in range(PICTURES)]
    collections = Collection.objects.bulk_create(
        Collection(shoe_type=types[n % len(types)], state="done") for n in range(COLLECTIONS)
    )
    create(ShoeImage, (row(n, types, pictures, collections, chance) for n in range(number)))
    run = AssessRun.objects.create(
        model_name="drawn", images=number, state="done", finished_at=timezone.now(),
        report={"overlapping": [[types[n].slug, types[n + 1].slug, 90 - n] for n in range(12)]},
    )  # fmt: skip
    images = list(ShoeImage.objects.order_by("pk").only("pk", "sha256", "state", "suggested",
                  "given_key", "label", "proposed"))  # fmt: skip
    slugs = [one.slug for one in types]
    create(Assessment, (assessment(image, run, slugs, chance) for image in images))
    create(Review, history(images, types, people, chance))
    create(Finding, made_findings(images, run, slugs, people, chance), ignore_conflicts=True)
    write.publish(run)
    findings.refresh(image.pk for image in images)
    for n in range(3):
        WorkList.objects.create(name=f"To look at {n}").images.set(chance.sample(images, 200))


def create(model, rows: Iterator, **options) -> None:
    """Write rows in batches."""
    while part := list(islice(rows, BATCH)):
        model.objects.bulk_create(part, **options)


def picture(seed: int) -> str:
    """Draw and store a picture; returns its digest."""
    chance = random.Random(seed)
    image = Image.new("RGB", (256, 256), (chance.randint(200, 255),) * 3)
    draw = ImageDraw.Draw(image)
    for _ in range(6):
        x, y, colour = chance.randint(0, 200), chance.randint(0, 200), chance.randbytes(3)
        shape = draw.ellipse if chance.random() < 0.5 else draw.rectangle
        shape([x, y, x + chance.randint(20, 120), y + chance.randint(20, 120)], tuple(colour))
    data = jpeg(image, 85)
    digest = hashlib.sha256(data).hexdigest()
    name = media_name(digest)
    if not storages["media"].exists(name):
        storages["media"].save(name, ContentFile(data))
    return digest


def skewed_choice(items, chance: random.Random):
    """Choose an item, the first ones far more often than the last."""
    return items[int(len(items) * chance.random() ** 2)]


def row(number: int, types, pictures, collections, chance: random.Random) -> ShoeImage:
    """Return an image with a label, an origin and a state."""
    sha256 = hashlib.sha256(str(number).encode()).hexdigest()
    source = skewed_choice(range(SOURCES), chance)
    group = f"source-{source}:{number // 3}" if chance.random() < 0.5 else ""
    key, bits = splits.split_key(group, sha256), int(sha256[:16], 16)
    given, state = skewed_choice(types, chance), "unreviewed"
    if chance.random() < DECIDED:
        state = "rejected" if chance.random() < WRONG else "confirmed"
    only_proposed = state == "unreviewed" and chance.random() < PROPOSED
    other = chance.random() < WRONG
    return ShoeImage(
        sha256=sha256, stored_sha256=pictures[number % len(pictures)],
        width=chance.randint(120, 900), height=chance.randint(120, 900),
        phash=f"{bits:016x}", **{f"band{n}": band for n, band in enumerate(bands(bits))},
        group=group, source=f"source-{source}", collection=skewed_choice(collections, chance),
        query=f"{given.name} {chance.randint(0, 9)}", rank=number % 100,
        domain=f"shop-{skewed_choice(range(DOMAINS), chance)}.example",
        title=f"{given.name} no. {number}",
        licence=skewed_choice(LICENCES, chance), label=None if only_proposed else given,
        proposed=given if only_proposed else None, state=state, split_key=key,
        split=splits.split_of(key),
        suggested=(skewed_choice(types, chance) if other else given).slug,
    )  # fmt: skip


def assessment(image: ShoeImage, run: AssessRun, slugs, chance: random.Random) -> Assessment:
    """Return a model's probabilities for an image, the suggestion first."""
    best = 0.4 + 0.6 * chance.random()
    rest = [(slug, round((1 - best) / 2, 4)) for slug in chance.sample(slugs, 2)]
    return Assessment(
        run=run, image=image, top=[(image.suggested, round(best, 4)), *rest],
        suggested=image.suggested, loss=3 * chance.random(), label_quality=chance.random(),
        outlier=chance.random(), quality={"blurred": round(chance.random(), 3)},
    )  # fmt: skip


def history(images, types, people, chance: random.Random) -> Iterator[Review]:
    """Yield a decision for each image that was decided on, within forty days."""
    now = timezone.now()
    for image in images:
        if image.state == "unreviewed":
            continue
        moved = image.state == "confirmed" and chance.random() < WRONG / 2
        action = "relabel" if moved else "reject" if image.state == "rejected" else "confirm"
        yield Review(
            image=image, by=skewed_choice(people, chance), action=action, state_from="unreviewed",
            state_to=image.state, label_to_id=image.label_id,
            label_from_id=skewed_choice(types, chance).pk if moved else image.label_id,
            at=now - timedelta(minutes=chance.randint(0, 40 * 24 * 60)),
        )  # fmt: skip


def made_findings(
    images, run: AssessRun, slugs, people, chance: random.Random
) -> Iterator[Finding]:
    """Yield one to three findings on an eighth of the images; answered for rejected ones."""
    reasons, weights = list(FREQUENCIES), list(FREQUENCIES.values())
    for image in images:
        if chance.random() >= FINDINGS:
            continue
        for reason in set(chance.choices(reasons, weights, k=chance.choice([1, 1, 2, 3]))):
            finding = Finding(
                image=image, reason=reason, score=chance.random(), first_run=run.pk, last_run=run.pk
            )
            if reason in ("exact-duplicate", "near-duplicate", "leakage"):
                finding.other = chance.choice(images).sha256
            elif reason in ("label-issue", "feedback"):
                finding.suggested = chance.choice(slugs)
            if image.state == "rejected":
                finding.outcome, finding.silenced_at = "acted", timezone.now()
                finding.silenced_by = skewed_choice(people, chance)
            elif image.state == "confirmed" and chance.random() < 0.5:
                finding.outcome, finding.silenced_at = "kept", timezone.now()
            yield finding


if __name__ == "__main__":
    main(OPTIONS.images, OPTIONS.rounds)
