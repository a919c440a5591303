"""Cache access that falls back to a default when the cache is down.

A cache that does not answer must neither stop the site nor slow it down: after a failure a process
leaves it alone for `CACHE_RETRY_SECONDS`, and logs a line a minute.
"""

import logging
import time
from collections.abc import Callable

from django.conf import settings
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)
LOG_SECONDS = 60
# Until when this process leaves the cache alone, and when it last logged a failure; both on the
# monotonic clock.
_state = {"down_until": 0.0, "logged_at": float("-inf")}


def call_or_default(operation: Callable[[], object], consequence: str, default=None):
    """Return the result of `operation`, which uses the cache; `default` when the cache is down.

    `consequence`: what the site does without the cache, for the log.
    """
    if time.monotonic() < _state["down_until"]:
        _log(consequence, "it failed a moment ago")
        return default
    try:
        return operation()
    except (RedisError, OSError) as error:
        _state["down_until"] = time.monotonic() + settings.CACHE_RETRY_SECONDS
        _log(consequence, error)
        return default


def reset() -> None:
    """Use the cache again at once, and log its next failure."""
    _state.update(down_until=0.0, logged_at=float("-inf"))


def _log(consequence: str, why) -> None:
    now = time.monotonic()
    if now - _state["logged_at"] >= LOG_SECONDS:
        _state["logged_at"] = now
        logger.error("The cache does not answer (%s): %s.", why, consequence)
