"""Assign images to train, valid or test by their split key. Pure: a check can recompute it."""

import hashlib
from bisect import bisect
from enum import StrEnum
from itertools import accumulate

SHARES = (70, 15, 15)


class Split(StrEnum):
    """The parts of the data, in the order of the shares."""

    TRAIN = "train"
    VALID = "valid"
    TEST = "test"


def split_key(group: str, sha256: str) -> str:
    """The key that decides the split: the group, if known on arrival, else the content's digest.

    By the group, so that views of one product are not spread over splits. `ValueError` when both
    are empty.
    """
    key = group or sha256
    if not key:
        raise ValueError("a split key needs a group or a sha256")
    return key


def split_of(split_key: str, shares: tuple[int, int, int] = SHARES) -> Split:
    """The split of a key, which never changes: it depends on no state, seed or order of arrival.

    The first 8 bytes (big-endian) of the SHA-256 of the UTF-8 key, as a fraction of 2**64, fall
    into the cumulated shares of train, valid and test. Shares are relative weights.
    `ValueError` for an empty key, a negative share or shares that sum to nothing.
    """
    if not split_key:
        raise ValueError("an empty split key would put everything into one split")
    if len(shares) != len(Split) or min(shares) < 0 or sum(shares) == 0:
        raise ValueError(f"shares must be three weights, not {shares}")
    point = int.from_bytes(hashlib.sha256(split_key.encode()).digest()[:8], "big")
    # In whole numbers: a float would round keys that lie at a border.
    place = point * sum(shares) >> 64
    return list(Split)[bisect(list(accumulate(shares)), place)]
