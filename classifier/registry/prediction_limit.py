"""How many predictions this process works on at once, and how many may wait, by the settings."""

import os

from django.conf import settings

from classifier.inference.concurrency import ConcurrencyLimit

limit = ConcurrencyLimit(settings.PREDICT_CONCURRENCY or 1, settings.PREDICT_QUEUE)


def concurrency(on_gpu: bool) -> int:
    """How many predictions a process works on at a time: PREDICT_CONCURRENCY, if it is set.

    One photo keeps a CPU's thread busy. For a GPU several are decoded at the same time, two for
    each core, so that they can be computed in one batch.
    """
    if settings.PREDICT_CONCURRENCY or not on_gpu:
        return settings.PREDICT_CONCURRENCY or 1
    return min(1 + settings.PREDICT_QUEUE, 2 * (os.cpu_count() or 1))


def resize(on_gpu: bool) -> None:
    """Set the limits for the device of the active version; the total of running and waiting
    requests stays the same."""
    running = concurrency(on_gpu)
    if running != limit.concurrency:
        limit.resize(running, 1 + settings.PREDICT_QUEUE - running)
