"""Confidence intervals of shares. Pure."""

import math


def wilson(right: float, n: float, z: float = 1.96) -> list[float]:
    """Wilson's score interval of the share `right` / `n`, within 0 to 1; [0, 1] where `n` is 0.

    E. B. Wilson 1927, Probable inference, the law of succession, and statistical inference. With
    `z` = 1.96 it is the 95 % interval, good for small `n` and rare events too.
    """
    if not n:
        return [0.0, 1.0]
    share = right / n
    centre = share + z * z / (2 * n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    bounds = ((centre - half) / (1 + z * z / n), (centre + half) / (1 + z * z / n))
    return [float(min(1.0, max(0.0, bound))) for bound in bounds]
