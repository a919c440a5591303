"""Asking the cache for what the site can do without.

A cache that does not answer must neither stop the site nor slow it down: after a failure nobody
asks it for a moment, and one line a minute says that it is so.
"""

import logging
import time
from contextlib import contextmanager

from django.conf import settings
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)
LOG_SECONDS = 60
# How long a process does without a cache that failed, when the failure was said last (both on the
# monotonic clock), and what nobody counted since.
_state = {"until": 0.0, "said": float("-inf")}


class CacheDown(Exception):
    """The cache does not answer, or did not a moment ago."""


@contextmanager
def cache_needed(for_what: str):
    """Turn the cache's failures inside into `CacheDown`; `for_what` is said in the log."""
    if time.monotonic() < _state["until"]:
        _say(for_what, "it failed a moment ago")
        raise CacheDown
    try:
        yield
    except (RedisError, OSError) as error:
        _state["until"] = time.monotonic() + settings.CACHE_RETRY_SECONDS
        _say(for_what, error)
        raise CacheDown from error


def forget() -> None:
    """Ask the cache again at once, and say the next failure."""
    _state.update(until=0.0, said=float("-inf"))


def _say(for_what: str, why) -> None:
    now = time.monotonic()
    if now - _state["said"] >= LOG_SECONDS:
        _state["said"] = now
        logger.error("The cache does not answer (%s): %s.", why, for_what)
