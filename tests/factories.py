"""Rows for tests, with honest defaults."""

import hashlib
import io

from curation import ingest, splits
from curation.models import ShoeImage, ShoeType
from tests.drawing import shoe


def jpeg(seed: int = 0, **drawing) -> bytes:
    """The bytes of a drawn photograph; another seed, another picture."""
    out = io.BytesIO()
    shoe(seed=seed, **drawing).save(out, "JPEG", quality=92)
    return out.getvalue()


def shoe_type(slug: str = "chelsea-boots") -> ShoeType:
    """A type of the guide."""
    return ShoeType.objects.get(slug=slug)


def stored_image(seed: int = 0, label: str | None = "chelsea-boots", **origin) -> ShoeImage:
    """An image with its file in the storage."""
    kind = shoe_type(label) if label else None
    image, _ = ingest.add_image(jpeg(seed), ingest.Origin(**origin), label=kind)
    return image


def row(number: int, **fields) -> ShoeImage:
    """An unsaved image row without a file, for tests that need many."""
    sha256 = hashlib.sha256(str(number).encode()).hexdigest()
    key = splits.split_key(fields.get("group", ""), sha256)
    return ShoeImage(
        **{
            "sha256": sha256,
            "stored_sha256": sha256,
            "width": 300,
            "height": 200 + number % 100,
            "phash": sha256[:16],
            **{f"band{i}": int(sha256[4 * i : 4 * i + 4], 16) for i in range(4)},
            "split_key": key,
            "split": splits.split_of(key),
            **fields,
        }
    )
