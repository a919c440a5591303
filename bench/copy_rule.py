"""How many images are taken for copies: by hash and mean colour, or by comparing pixels?

    VAR_DIR=FOLDER .venv/bin/python -m bench.copy_rule

Over the images of an installation, oldest first: how many pairs are alike in perceptual hash and
mean colour, how many images such a rule would refuse as copies of an earlier one, and how many are
refused when the pictures of the proposed pairs are registered and compared.
"""

from collections import defaultdict

import django
import numpy as np

django.setup()

from django.conf import settings  # noqa: E402

from curation.models import ShoeImage  # noqa: E402
from curation.similarity import (  # noqa: E402
    near_duplicates,  # noqa: E402
    perceptual_hash,
    registration,
)
from shoeproject.parallel import map_in_threads  # noqa: E402

BLOCK = 500
ALIKE_COLOUR = 2.0  # distance (CIE 1976) of the rule by hash and colour; just visible


def main() -> None:
    """Count and print."""
    rows = ShoeImage.objects.exclude(stored_sha256="").exclude(colour="").order_by("pk")
    rows = list(rows.values_list("phash", "colour", "stored_sha256"))
    hashes = np.array([perceptual_hash.from_hex(text) for text, _, _ in rows], np.uint64)
    pairs, bits = within(hashes, settings.COPY_HASH_DISTANCE)
    colours = [tuple(bytes.fromhex(colour)) for _, colour, _ in rows]
    apart = np.array([perceptual_hash.colour_distance(colours[a], colours[b]) for a, b in pairs])
    proposed = pairs[apart < settings.COPY_COLOUR]
    digests = [stored for _, _, stored in rows]
    seen = list(map_in_threads(near_duplicates.stored_comparison_images, digests))
    wholes, contents = map(np.stack, zip(*seen, strict=True))
    copies = registration.differences(proposed, wholes, contents) < registration.COPY_BELOW
    print(f"{len(rows)} images")
    for most in range(0, settings.COPY_HASH_DISTANCE + 1, 2):
        alike = pairs[(bits <= most) & (apart < ALIKE_COLOUR)]
        print(
            f"within {most} bits, colours within {ALIKE_COLOUR:g}: {len(alike)} pairs, "
            f"{count_refused(alike)} images refused"
        )
    print(
        f"registered: {copies.sum()} of {len(proposed)} pairs proposed are copies, "
        f"{count_refused(proposed[copies])} images refused"
    )


def within(hashes: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Return pairs (m, 2) of hashes that differ in at most `most` bits, and in how many (m,).

    The earlier of a pair comes first.
    """
    blocks = []
    for start in range(0, len(hashes), BLOCK):
        differing = np.bitwise_count(hashes[start : start + BLOCK, None] ^ hashes[None])
        first, second = np.nonzero(differing <= most)
        later = first + start < second
        first, second = first[later], second[later]
        blocks.append(np.stack([first + start, second, differing[first, second]], axis=1))
    pairs = np.concatenate(blocks).astype(np.int64)
    return pairs[:, :2], pairs[:, 2]


def count_refused(pairs: np.ndarray) -> int:
    """Count the images that are copies of an earlier one that is not refused itself."""
    earlier = defaultdict(list)
    for first, second in pairs.tolist():
        earlier[second].append(first)
    refused = set()
    for image in sorted(earlier):
        if not refused.issuperset(earlier[image]):
            refused.add(image)
    return len(refused)


if __name__ == "__main__":
    main()
