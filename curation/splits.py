"""Split key → train, valid or test. Pure, so that any check can recompute it."""

import hashlib
from enum import StrEnum

SHARES = (70, 15, 15)


class Split(StrEnum):
    """The part of the data that an image serves, in the order of the shares."""

    TRAIN = "train"
    VALID = "valid"
    TEST = "test"


def split_key(group: str, sha256: str) -> str:
    """What decides the split: the group if known on arrival (views of one product must not be
    spread over splits), else the content. `ValueError` when both are empty."""
    key = group or sha256
    if not key:
        raise ValueError("a split key needs a group or a sha256")
    return key


def split_of(split_key: str, shares: tuple[int, int, int] = SHARES) -> Split:
    """The split of a key, for ever: no state, no seed, no order of arrival.

    The first 8 bytes (big-endian) of the SHA-256 of the UTF-8 key, as a fraction of 2**64, fall
    into the cumulated shares of train, valid and test. Shares are relative weights.
    `ValueError` for an empty key, a negative share or shares that sum to nothing.
    """
    if not split_key:
        raise ValueError("an empty split key would put everything into one split")
    if len(shares) != len(Split) or min(shares) < 0 or sum(shares) == 0:
        raise ValueError(f"shares must be three weights, not {shares}")
    point = int.from_bytes(hashlib.sha256(split_key.encode()).digest()[:8], "big")
    upto = 0
    for split, share in zip(Split, shares, strict=True):
        upto += share
        # Whole numbers on both sides: a float would round keys that lie at a border.
        if point * sum(shares) < upto << 64:
            return split
    raise AssertionError("unreachable: the fraction is below 1")
