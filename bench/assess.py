"""How long does an assessment take, and how much memory?

    .venv/bin/python -m bench.assess --images 10000 --var /tmp/assess-10k

Makes an installation in the folder given (SQLite, local files), or uses the one that an earlier
call made there: so many distinct drawn pictures of 160×120 pixels, half of a per cent of them
mirrored copies, in 36 types by their colour, every twentieth label wrong. Then runs
`manage.py assess --wait` in another process, with the model that comes with the project, and prints
the seconds of computing features and of finding issues, images a second, and the process's largest
resident memory. For comparison it first assesses one image in fifty.
"""
# ruff: noqa: E402 - settings read the folder, so it has to be known before Django is set up

import argparse
import colorsys
import hashlib
import os
import random
import resource
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import django

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--images", type=int, default=10_000, help="if there are none yet")
    parser.add_argument("--var", type=Path, required=True, help="folder of the installation")
    OPTIONS = parser.parse_args()
    os.environ["VAR_DIR"] = str(OPTIONS.var)
    os.environ["ASSESS_AFTER"] = ""
    os.environ["JOB_WAIT_FOR_WORKER_SECONDS"] = "0"
    os.environ.pop("DATABASE_URL", None)

django.setup()

from django.conf import settings
from django.core.management import call_command
from PIL import Image, ImageDraw, ImageOps

from bench.photographs import jpeg
from curation import splits
from curation.models import AssessRun, ShoeImage, ShoeType
from curation.models.image import OUT, UNREVIEWED, media_name

BATCH = 2000
COPY_EVERY, WRONG_EVERY = 200, 20
FEW_EVERY = 50  # images of the first, small assessment


def main(images: int) -> None:
    """Make images, assess them, print."""
    call_command("migrate", verbosity=0)
    call_command("register_starter", verbosity=0)
    if not ShoeImage.objects.exists():
        began = time.perf_counter()
        make(images)
        print(f"{images} images made in {time.perf_counter() - began:.0f} s")
    few = assess(FEW_EVERY)
    everything = assess(1)
    looking, judging = (everything[key] / few[key] for key in ("looking", "judging"))
    print(
        f"for {FEW_EVERY} times as many images looking took {looking:.0f} times as long, judging "
        f"{judging:.0f} times; load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    )


def assess(every: int) -> dict:
    """Assess one image in `every` without earlier results; prints and returns the seconds."""
    AssessRun.objects.filter(state=AssessRun.State.DONE).update(model_digest="")
    live, out = ShoeImage.State.UNREVIEWED, ShoeImage.State.REJECTED
    ShoeImage.objects.update(state=out, priority=OUT)
    chosen = ShoeImage.objects.extra(where=["id %% %s = 0"], params=[every])
    ShoeImage.objects.filter(pk__in=chosen.values("pk")).update(state=live, priority=UNREVIEWED)
    began = time.perf_counter()
    subprocess.run(
        [sys.executable, str(settings.BASE_DIR / "manage.py"), "assess", "--wait"],
        check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    took = time.perf_counter() - began
    run = AssessRun.objects.first()
    seconds = run.report["seconds"]
    # That of the largest child so far; the second assessment is the larger one.
    megabytes = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(
        f"{run.images} images: {took:.0f} s ({seconds['looking']} s looking, "
        f"{run.images / max(1, seconds['looking']):.0f} images/s; {seconds['judging']} s judging; "
        f"the rest starting and writing), {megabytes:.0f} MB, {sum(run.report['reasons'].values())}"
        " findings"
    )
    return {key: max(1, value) for key, value in seconds.items()}


def make(images: int) -> None:
    """Make rows and files."""
    types = list(ShoeType.objects.filter(kind=ShoeType.Kind.TYPE).order_by("pk"))
    chance = random.Random(5)
    with ProcessPoolExecutor() as pool:
        for start in range(0, images, BATCH):
            numbers = range(start, min(start + BATCH, images))
            rows = []
            for number, digest in zip(numbers, pool.map(draw, numbers, chunksize=100), strict=True):
                kind = number % len(types)
                wrong = chance.randrange(WRONG_EVERY) == 0
                rows.append(row(number, digest, types[chance.randrange(36) if wrong else kind]))
            ShoeImage.objects.bulk_create(rows)


def row(number: int, stored: str, label: ShoeType) -> ShoeImage:
    """Return one labelled image."""
    sha256 = hashlib.sha256(str(number).encode()).hexdigest()
    return ShoeImage(
        sha256=sha256, stored_sha256=stored, width=160, height=120, phash=sha256[:16],
        **{f"band{i}": int(sha256[4 * i : 4 * i + 4], 16) for i in range(4)},
        label=label, split_key=sha256, split=splits.split_of(sha256), source=f"shop {number % 25}",
    )  # fmt: skip


def draw(number: int) -> str:
    """Draw a picture and write it to the media folder; returns its digest."""
    mirrored = number % COPY_EVERY == 1 and number > COPY_EVERY
    seed = number - 36 if mirrored else number
    chance = random.Random(seed)
    hue = (seed % 36) / 36 + chance.uniform(-0.008, 0.008)
    light, size = chance.uniform(0.35, 0.6), (160, 120)
    image = Image.new("RGB", size, (255, 255, 255))
    pen = ImageDraw.Draw(image)
    for _ in range(chance.randint(4, 9)):
        shade = colorsys.hls_to_rgb(hue % 1, min(0.8, light * chance.uniform(0.5, 1.5)), 0.7)
        points = [(chance.uniform(10, 150), chance.uniform(10, 110)) for _ in range(4)]
        pen.polygon(points, fill=tuple(round(255 * part) for part in shade))
    data = jpeg(ImageOps.mirror(image) if mirrored else image, 88)
    digest = hashlib.sha256(data).hexdigest()
    # Not through the storage, which waits for the disk after every file.
    path = Path(settings.VAR_DIR) / "media" / media_name(digest)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return digest


if __name__ == "__main__":
    main(OPTIONS.images)
