"""Images from the web: searched for, fetched, checked and taken in, as one job for each type."""

from curation.collect.ask import CollectionRefused, ask
from curation.collect.fetching import Fetching
from curation.collect.limits import downloader_limits, not_applied, providers
from curation.collect.outcomes import WORDS, Tally, noise
from curation.collect.run import run

__all__ = [
    "WORDS",
    "CollectionRefused",
    "Fetching",
    "Tally",
    "ask",
    "downloader_limits",
    "noise",
    "not_applied",
    "providers",
    "run",
]
