"""What tells a copy of a picture that is here: hash and mean colour, or the pictures themselves?

    VAR_DIR=FOLDER .venv/bin/python -m bench.copy_rule

Over the images of an installation, oldest first: how many pairs are alike in perceptual hash and
mean colour, how many images such a rule would refuse as copies of an earlier one, and how many are
refused when the pictures of the pairs proposed are laid over each other.
"""

import os
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor

import django
import numpy as np

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shoeproject.settings")
django.setup()

from django.conf import settings  # noqa: E402

from curation.models import ShoeImage  # noqa: E402
from curation.similarity import (  # noqa: E402
    near_duplicates,  # noqa: E402
    perceptual_hash,
    registration,
)

BLOCK = 500
ALIKE_COLOUR = 2.0  # of the rule that is compared, in CIE 1976; about what an eye just sees


def main() -> None:
    """Count and print."""
    rows = ShoeImage.objects.exclude(stored_sha256="").exclude(colour="").order_by("pk")
    rows = list(rows.values_list("phash", "colour", "stored_sha256"))
    hashes = np.array([perceptual_hash.from_hex(text) for text, _, _ in rows], np.uint64)
    pairs, bits = within(hashes, settings.COPY_HASH_DISTANCE)
    colours = [tuple(bytes.fromhex(colour)) for _, colour, _ in rows]
    apart = np.array([perceptual_hash.colour_distance(colours[a], colours[b]) for a, b in pairs])
    proposed = pairs[apart < settings.COPY_COLOUR]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        seen = list(pool.map(near_duplicates._small, [stored for _, _, stored in rows]))
    wholes, contents = map(np.stack, zip(*seen, strict=True))
    copies = registration.differences(proposed, wholes, contents) < registration.COPY_BELOW
    print(f"{len(rows)} images")
    for most in range(0, settings.COPY_HASH_DISTANCE + 1, 2):
        alike = pairs[(bits <= most) & (apart < ALIKE_COLOUR)]
        print(
            f"within {most} bits, colours within {ALIKE_COLOUR:g}: {len(alike)} pairs, "
            f"{refused(alike)} images refused"
        )
    print(
        f"laid over each other: {copies.sum()} of {len(proposed)} pairs proposed are copies, "
        f"{refused(proposed[copies])} images refused"
    )


def within(hashes: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Pairs (m, 2), the earlier first, of hashes that differ in `most` bits at most; their bits."""
    found = []
    for start in range(0, len(hashes), BLOCK):
        differing = np.bitwise_count(hashes[start : start + BLOCK, None] ^ hashes[None])
        first, second = np.nonzero(differing <= most)
        later = first + start < second
        first, second = first[later], second[later]
        found.append(np.stack([first + start, second, differing[first, second]], axis=1))
    pairs = np.concatenate(found).astype(np.int64)
    return pairs[:, :2], pairs[:, 2]


def refused(pairs: np.ndarray) -> int:
    """How many images are copies of an earlier one that was let in."""
    before = defaultdict(list)
    for first, second in pairs.tolist():
        before[second].append(first)
    gone = set()
    for image in sorted(before):
        if not gone.issuperset(before[image]):
            gone.add(image)
    return len(gone)


if __name__ == "__main__":
    main()
