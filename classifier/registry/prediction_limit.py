"""How many predictions this process works on at once, and how many may wait, by the settings."""

import os
from contextlib import AbstractContextManager

from django.conf import settings

from classifier.inference.concurrency import ConcurrencyLimit

limit = ConcurrencyLimit(settings.PREDICT_CONCURRENCY or 1, settings.PREDICT_QUEUE)


def at_a_time(on_gpu: bool) -> int:
    """How many predictions a process works on at a time: PREDICT_CONCURRENCY, where that says.

    One photo keeps a CPU's thread busy. For a GPU several are decoded beside each other, two for
    each core, so that there is something to compute in one go.
    """
    if settings.PREDICT_CONCURRENCY or not on_gpu:
        return settings.PREDICT_CONCURRENCY or 1
    return min(1 + settings.PREDICT_QUEUE, 2 * (os.cpu_count() or 1))


def fit(on_gpu: bool) -> None:
    """Set the bounds for where the active version computes; as many as before find a place."""
    if settings.PREDICT_CONCURRENCY:
        return
    running = at_a_time(on_gpu)
    if running != limit.concurrency:
        limit.resize(running, 1 + settings.PREDICT_QUEUE - running)


def turn() -> AbstractContextManager[None]:
    """Hold one of this process's places: `with turn(): …`. Raises `TooBusy`."""
    return limit.turn()


def check_place() -> None:
    """Raises `TooBusy` where this process has no place at this moment."""
    limit.check_place()
