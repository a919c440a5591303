"""How sure a share is. Pure."""

import math


def wilson(right: float, n: float, z: float = 1.96) -> list[float]:
    """Wilson's score interval of `right` out of `n`, 0 to 1; [0, 1] for none.

    E. B. Wilson 1927, Probable inference, the law of succession, and statistical inference. With
    `z` = 1.96 it covers the true share 95 times in a hundred, for small `n` and rare things too.
    """
    if not n:
        return [0.0, 1.0]
    share = right / n
    centre = share + z * z / (2 * n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    bounds = ((centre - half) / (1 + z * z / n), (centre + half) / (1 + z * z / n))
    return [float(min(1.0, max(0.0, bound))) for bound in bounds]
