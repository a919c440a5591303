"""Images from the web: searched for, fetched, checked and taken in, as one job for each type."""

from curation.collect.ask import CollectionRefused, ask, check_filters
from curation.collect.limits import connection, downloader_limits, not_applied, providers
from curation.collect.outcomes import WORDS, Tally, noise
from curation.collect.run import run

__all__ = [
    "WORDS",
    "CollectionRefused",
    "Tally",
    "ask",
    "check_filters",
    "connection",
    "downloader_limits",
    "noise",
    "not_applied",
    "providers",
    "run",
]
