"""Count requests against a rate, over all processes and machines that share the cache."""

import math
import time
from dataclasses import dataclass

from django.core.cache import cache


@dataclass(frozen=True)
class Usage:
    """What a request left of its rate. `reset`: seconds until more requests are allowed."""

    name: str
    limit: int
    window: int
    remaining: int
    reset: int
    allowed: bool


def hit(name: str, client: str, limit: int, window: int, now: float | None = None) -> Usage:
    """Count one request of `client` against `limit` in `window` seconds.

    Increments are atomic in the cache. REST framework's own throttles read a list of times, add to
    it and write it back, and so lose what another process wrote in between. The window slides over
    two counters: that of the current period, and that of the period before by the share of it that
    the window still covers, as if its requests were spread evenly.
    A refused request is not counted. Raises the cache's own errors.
    """
    now = time.time() if now is None else now
    number, passed = divmod(now, window)
    key = f"rate:{name}:{client}:{int(number)}"
    count = _increment(key, 2 * window + 1)
    before = cache.get(f"rate:{name}:{client}:{int(number) - 1}", 0)
    used = count + math.floor(before * (1 - passed / window))
    if used <= limit:
        return Usage(name, limit, window, limit - used, math.ceil(window - passed), True)
    cache.decr(key)
    return Usage(name, limit, window, 0, _wait(limit, window, passed, count - 1, before), False)


def _increment(key: str, keep_seconds: int) -> int:
    try:
        return cache.incr(key)
    except ValueError:  # not there yet
        cache.add(key, 0, keep_seconds)
        return cache.incr(key)


def _wait(limit: int, window: int, passed: float, count: int, before: int) -> int:
    """Whole seconds after which one more request fits."""
    # By then enough of the period before has left the window for one more; if the current period
    # is full by itself, the next one has begun.
    covered = (limit - count) / before if count < limit else 0
    # A second more: at the exact moment the old request still counts.
    return math.floor(window * (1 - covered) - passed) + 1
