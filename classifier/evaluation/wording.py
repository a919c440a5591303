"""Measured figures as text for people. Pure."""

from collections.abc import Sequence


def percentage(share: float, digits: int = 0) -> str:
    """A measured share as "93%". Only exactly none is "0%", only exactly all "100%"."""
    exact = round(share, 9)
    if exact <= 0 or exact >= 1:
        return f"{exact:.0%}"
    step = 10 ** -(digits + 2)
    if share < step / 2:
        return f"<{step:.{digits}%}"
    return f"{share:.{digits}%}" if share < 1 - step / 2 else f">{1 - step:.{digits}%}"


def percentage_range(interval: Sequence[float], digits: int = 0) -> str:
    """An interval of shares as "87% to 96%"."""
    low, high = interval
    return f"{percentage(low, digits)} to {percentage(high, digits)}"


def count(number: int, noun: str) -> str:
    """A number with its noun: "1 photo", "1,200 photos"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
