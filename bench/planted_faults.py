"""Plant known faults in a set of photographs, to measure how well they are found.

The seed determines which labels are flipped, and which photographs are copied and how.
"""

import csv
import random
import shutil
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

from PIL import Image, ImageOps

from bench.photographs import jpeg

ALTERATIONS = ("crop", "resize", "recompress", "mirror", "border")
NOT_A_SHOE = "not-a-shoe"


@dataclass(frozen=True)
class Photo:
    """A photograph of the set, with its planted fault if it has one."""

    key: str
    path: Path
    label: str  # as given; wrong if it was flipped
    true_label: str
    group: str
    source: str
    fault: str = ""  # or "flip", "confused", "not-a-shoe", or how a copy was altered
    original: str = ""  # of a copy: the original's key


def read(folder: Path) -> tuple[list[Photo], list[Photo]]:
    """Read the shoes and the non-shoes that a folder's `manifest.csv` lists, in its order."""
    shoes, others = [], []
    with open(folder / "manifest.csv", newline="", encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            kind = row["class"]
            group = f"{row['source']}:{row['group']}" if row["group"] else ""
            photo = Photo(row["sha256"], folder / row["path"], kind, kind, group, row["source"])
            if kind == NOT_A_SHOE:
                others.append(photo)
            elif row["path"].startswith("shoes/"):
                shoes.append(photo)
    return shoes, others


def plant(
    shoes: list[Photo], others: list[Photo], confused: tuple[str, str], out: Path, seed: int = 5
) -> list[Photo]:
    """Flip labels, and add altered copies and non-shoes; returns all photographs, shuffled.

    10 % of labels are flipped at random, 5 % between the two `confused` types (but at most 30 % of
    theirs); then 5 % altered copies and 5 % non-shoes are added. Copies are written to `out`. Only
    photographs without another fault are copied.
    """
    chance = random.Random(seed)
    types = sorted({photo.label for photo in shoes})
    photos = {photo.key: photo for photo in shoes}
    keys = sorted(photos)
    chance.shuffle(keys)
    number = len(keys)
    pair = [key for key in keys if photos[key].label in confused]
    for key in pair[: min(number * 5 // 100, len(pair) * 30 // 100)]:
        other = confused[1 - confused.index(photos[key].label)]
        photos[key] = replace(photos[key], label=other, fault="confused")
    clean = [key for key in keys if not photos[key].fault]
    flips, clean = clean[: number // 10], clean[number // 10 :]
    for key in flips:
        wrong = chance.choice([name for name in types if name != photos[key].label])
        photos[key] = replace(photos[key], label=wrong, fault="flip")
    faulted = list(photos.values())
    out.mkdir(parents=True, exist_ok=True)
    for count, key in enumerate(clean[: number * 5 // 100]):
        how = ALTERATIONS[count % len(ALTERATIONS)]
        name = f"{key[:16]}-{how}-{seed}"
        faulted.append(_copy(photos[key], how, out / f"{name}.jpg", chance))
    for photo in chance.sample(others, min(len(others), number * 5 // 100)):
        faulted.append(replace(photo, label=chance.choice(types), fault=NOT_A_SHOE))
    chance.shuffle(faulted)
    return faulted


def write(photos: list[Photo], folder: Path) -> Path:
    """Copy the photographs and write a CSV file that `manage.py import_images` reads.

    It holds the labels as given. Returns its path.
    """
    (folder / "photos").mkdir(parents=True, exist_ok=True)
    listed = folder / "faulted.csv"
    with open(listed, "w", newline="", encoding="utf-8") as lines:
        out = csv.writer(lines)
        out.writerow(["path", "class", "group", "source"])
        for photo in photos:
            file = folder / "photos" / photo.path.name
            if not file.exists():
                shutil.copyfile(photo.path, file)
            group = photo.group.removeprefix(f"{photo.source}:")  # the import adds it again
            out.writerow([file.relative_to(folder), photo.label, group, photo.source])
    return listed


def _copy(photo: Photo, how: str, path: Path, chance: random.Random) -> Photo:
    # Made even if the file exists, so that a second run draws the same random numbers.
    data = _altered(photo.path, how, chance)
    if not path.exists():
        path.write_bytes(data)
    return replace(photo, key=path.stem, path=path, group="", fault=how, original=photo.key)


def _altered(path: Path, how: str, chance: random.Random) -> bytes:
    with Image.open(path) as opened:
        image = opened.convert("RGB")
    width, height = image.size
    quality = 85
    if how == "crop":
        share = chance.uniform(0.8, 0.95)
        w, h = int(width * share), int(height * share)
        x, y = chance.randint(0, width - w), chance.randint(0, height - h)
        image = image.crop((x, y, x + w, y + h))
    elif how == "resize":
        share = chance.uniform(0.5, 0.85)
        image = image.resize((max(1, int(width * share)), max(1, int(height * share))))
    elif how == "recompress":
        quality = chance.randint(25, 60)
    elif how == "mirror":
        image = ImageOps.mirror(image)
    elif how == "border":
        thick = max(2, int(max(width, height) * chance.uniform(0.04, 0.15)))
        grey = chance.choice([0, 128, 255])
        image = ImageOps.expand(image, border=thick, fill=(grey, grey, grey))
    return jpeg(image, quality)


def counts(photos: list[Photo]) -> dict[str, int]:
    """Count the photographs by fault."""
    return dict(Counter(photo.fault or "none" for photo in photos))
