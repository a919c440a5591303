"""The reasons of findings, in words, with the share of findings that are right. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Reason:
    """One reason.

    `slug`: its name for programs. `words`: its name for people. `precision`: the share of its
    findings that are right, 0 to 1, as measured before people decided on any. `bit`: its position
    in `ShoeImage.reasons`; never changes, because it is stored.
    """

    slug: str
    words: str
    precision: float
    bit: int


# Measured on photographs with planted faults (docs/cleaning.md; loss and outlier from the
# difference of two rows there): label-issue, loss, leakage, near-duplicate, outlier, not-a-shoe.
# The others are guesses, which the first decisions outweigh.
REASONS = (
    Reason("label-issue", "probably another type", 0.77, 0),
    Reason("loss", "the model is surprised by this label", 0.33, 1),
    Reason("leakage", "a copy of it is in another split", 0.97, 2),
    Reason("exact-duplicate", "the same picture is here twice", 0.98, 3),
    Reason("near-duplicate", "a copy: cut, scaled, mirrored or saved again", 0.95, 4),
    Reason("outlier", "unlike everything else here", 0.48, 5),
    Reason("not-a-shoe", "probably not a shoe", 0.97, 6),
    Reason("uncertain", "the model hesitates between types", 0.20, 7),
    Reason("feedback", "feedback from a visitor", 0.50, 8),
    Reason("left", "left to a colleague", 0.60, 9),
    Reason("dark", "too dark", 0.30, 10),
    Reason("blown-out", "blown out", 0.25, 11),
    Reason("blurred", "blurred", 0.30, 12),
    Reason("tiny", "very small", 0.30, 13),
    Reason("odd-shape", "very long or very narrow", 0.30, 14),
    Reason("almost-empty", "almost nothing to see", 0.40, 15),
)
BY_SLUG = {reason.slug: reason for reason in REASONS}
DUPLICATES = ("exact-duplicate", "near-duplicate", "leakage")


def mask(slugs: Iterable[str]) -> int:
    """The bits of these reasons together. Raises KeyError for an unknown slug."""
    return sum({1 << BY_SLUG[slug].bit for slug in slugs})


def slugs(bits: int) -> list[str]:
    """The reasons whose bits are set, in the order of `REASONS`."""
    return [reason.slug for reason in REASONS if bits >> reason.bit & 1]
