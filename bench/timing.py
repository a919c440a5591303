"""Time calls and summarise what was measured."""

import time
from collections.abc import Callable, Sequence

import numpy as np


def milliseconds(work: Callable[[], object]) -> float:
    """Call `work` once and return how long it took."""
    began = time.perf_counter()
    work()
    return 1000 * (time.perf_counter() - began)


def summary(values: Sequence[float], decimals: int = 0) -> str:
    """Describe values in words: mean, median, 95th percentile, largest, number."""
    if not len(values):
        return "none"
    named = {
        "mean": np.mean(values),
        "median": np.median(values),
        "95th percentile": np.percentile(values, 95),
        "most": max(values),
    }
    parts = (f"{name} {value:.{decimals}f}" for name, value in named.items())
    return f"{', '.join(parts)} ({len(values)})"
