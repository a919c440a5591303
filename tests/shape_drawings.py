"""Pictures of simple shapes: classes that a small network learns within seconds."""

import hashlib
import random
from pathlib import Path

from PIL import Image, ImageDraw

from classifier.inference.thresholds import NOT_A_SHOE, OTHER_SHOE, ClassInfo

CLASSES = (
    ClassInfo("disc", category="round"),
    ClassInfo("ring", category="round"),
    ClassInfo("bars", category="straight"),
    ClassInfo("cross", kind=OTHER_SHOE),
    ClassInfo("blank", kind=NOT_A_SHOE),
)
SLUGS = [info.slug for info in CLASSES]


def draw(shape: str, number: int, size: int = 72) -> Image.Image:
    """The `number`-th picture of a shape: same arguments, same pixels."""
    rng = random.Random(f"{shape}:{number}")
    image = Image.new("RGB", (size, size - 12), (255, 255, 255))
    drawing = ImageDraw.Draw(image)
    left, top = rng.randint(4, 14), rng.randint(4, 10)
    box = (left, top, left + 44, top + 44)
    ink = tuple(rng.randint(0, 60) for _ in range(3))
    if shape == "disc":
        drawing.ellipse(box, fill=(200, *ink[1:]))
    elif shape == "ring":
        drawing.ellipse(box, outline=(*ink[:2], 200), width=8)
    elif shape == "bars":
        for y in range(top, top + 44, 12):
            drawing.rectangle((left, y, left + 44, y + 5), fill=ink)
    elif shape == "cross":
        drawing.line(box, fill=(ink[0], 160, ink[2]), width=9)
        drawing.line((box[0], box[3], box[2], box[1]), fill=(ink[0], 160, ink[2]), width=9)
    else:
        drawing.rectangle((0, 0, size, size), fill=tuple(90 + value for value in ink))
    return image


def write_jpegs(folder: Path, train: int = 12, valid: int = 4) -> list[tuple[Path, str, str, str]]:
    """JPEG files of every class; rows are (path, label, split, sha256), as `Item` takes them."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for slug in SLUGS:
        for number in range(train + valid):
            path = folder / f"{slug}-{number}.jpg"
            draw(slug, number).save(path, quality=90)
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            rows.append((path, slug, "train" if number < train else "valid", digest))
    return rows
