"""Why search results are refused, and counts of them."""

from collections import Counter
from dataclasses import dataclass

from django.db.models import Count, Q

from curation.models import Collection, Hit, ShoeImage

# Reason → text for people. Refused before the download:
UNFETCHED = {
    "seen-before": "its address was looked at by an earlier collection",
    "taken-down": "all from there was purged on demand",
    "said-too-small": "too small, as the search says",
}
# Refused after it:
CHECKED = {
    "known": "here already",
    "rejected-before": "rejected or purged before",
    "near-copy": "a copy of one that is here",
    "copy-of-rejected": "a copy of one that was rejected or purged",
    "too-small": "too small",
    "image_empty": "an empty file",
    "image_too_large": "too many bytes",
    "image_too_many_pixels": "too many pixels",
    "image_side_too_long": "too long a side",
    "image_unsupported": "no picture of a kind that is taken",
    "image_broken": "no picture that can be read",
}
# Not downloaded, by the codes of `curation.download.errors`:
NOT_DOWNLOADED = {
    "bad-address": "no usable address",
    "scheme": "no web address",
    "credentials": "a password in the address",
    "port": "an unusual port",
    "not-public": "not on the public internet",
    "too-many-redirects": "passed on too often",
    "http-error": "refused by the server",
    "too-large": "too many bytes",
    "too-slow": "too slow",
    "unreachable": "the server cannot be reached",
    "tls": "no secure connection",
    "broken-answer": "an answer nobody understands",
    "truncated": "broke off",
    "encoded": "compressed against our wish",
    "robots": "the site asks not to collect it",
    "host-tired": "the server wanted fewer requests",
    "empty": "an empty file",
    "stopped": "stopped",
}
# These may have passed when the next collection tries; addresses refused for others are left out.
TEMPORARY = {"http-error", "too-slow", "unreachable", "truncated", "host-tired", "stopped"}
REASONS = UNFETCHED | CHECKED | NOT_DOWNLOADED


@dataclass
class HitCounts:
    """Counts of a collection's search results. `refused`: reason → results."""

    found: int
    accepted: int
    refused: Counter

    @classmethod
    def of(cls, job: Collection) -> "HitCounts":
        """Count the job's hits."""
        rows = job.hits.order_by().values_list("outcome", "reason").annotate(times=Count("pk"))
        accepted = sum(times for outcome, _, times in rows if outcome == Hit.Outcome.ACCEPTED)
        refused = {reason: n for outcome, reason, n in rows if outcome == Hit.Outcome.REFUSED}
        return cls(sum(times for _, _, times in rows), accepted, Counter(refused))

    @property
    def fetched(self) -> int:
        """Files that were downloaded."""
        missing = sum(n for r, n in self.refused.items() if r in UNFETCHED or r in NOT_DOWNLOADED)
        return self.accepted + self.refused.total() - missing

    def __str__(self) -> str:
        return f"{self.found} found, {self.fetched} fetched, {self.refused.total()} refused"

    def as_json(self) -> dict:
        """The counts as they are stored in the job's report."""
        return {
            "found": self.found,
            "fetched": self.fetched,
            "accepted": self.accepted,
            "refused": dict(self.refused.most_common()),
        }


def accepted_by_query(job: Collection) -> list[tuple[str, int, int]]:
    """(query, accepted, of them rejected by curators since) for each query of a collection."""
    gone = Q(state__in=[ShoeImage.State.REJECTED, ShoeImage.State.PURGED])
    rows = job.images.order_by("query").values_list("query")
    return list(rows.annotate(all=Count("pk"), bad=Count("pk", filter=gone)))
