"""Counting requests against a rate, over all processes and machines that share the cache."""

import math
import time
from dataclasses import dataclass

from django.core.cache import cache


@dataclass(frozen=True)
class Spent:
    """What one request left of a rate. `reset`: seconds until more is allowed again."""

    name: str
    limit: int
    window: int
    remaining: int
    reset: int
    allowed: bool


def spend(name: str, client: str, limit: int, window: int, now: float | None = None) -> Spent:
    """Count one request of `client` against `limit` in `window` seconds.

    Counts by increments, which the cache does one after the other: reading a list of moments,
    adding to it and writing it back, as REST framework's own throttles do, loses what somebody else
    wrote in between. Two counters make a sliding window: that of the current stretch of time, and
    the one before as far as the window still covers it, taken as evenly spread.
    What is refused is not counted. Raises the cache's own errors.
    """
    now = time.time() if now is None else now
    number, passed = divmod(now, window)
    key = f"rate:{name}:{client}:{int(number)}"
    count = _increment(key, 2 * window + 1)
    before = cache.get(f"rate:{name}:{client}:{int(number) - 1}", 0)
    used = count + math.floor(before * (1 - passed / window))
    if used <= limit:
        return Spent(name, limit, window, limit - used, math.ceil(window - passed), True)
    cache.decr(key)
    return Spent(name, limit, window, 0, _wait(limit, window, passed, count - 1, before), False)


def _increment(key: str, keep_seconds: int) -> int:
    try:
        return cache.incr(key)
    except ValueError:  # not there yet
        cache.add(key, 0, keep_seconds)
        return cache.incr(key)


def _wait(limit: int, window: int, passed: float, count: int, before: int) -> int:
    """Whole seconds after which one more request fits."""
    # By then so much of the stretch before has left the window that there is room for one; where
    # this stretch is full itself, the next one has begun.
    covered = (limit - count) / before if count < limit else 0
    # One more than whole: at the very moment it is still counted.
    return math.floor(window * (1 - covered) - passed) + 1
