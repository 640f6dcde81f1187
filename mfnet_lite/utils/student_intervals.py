"""The mean of a few trainings: its interval of Student's t, and how many claims such intervals grant by chance."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from scipy.special import stdtrit

__all__ = ["CONFIDENCE", "by_chance", "interval"]

CONFIDENCE = 0.95
"""Share of intervals that hold the true mean; of those that do not, half lie above it."""


def interval(found: Sequence[float], confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Return the two-sided interval of Student's t of a mean.

    Args:
        found: At least two numbers.
        confidence: Share of such intervals that hold the true mean, if the numbers are normally distributed.

    Example:
        >>> [round(end, 4) for end in interval([0.02, 0.03, 0.04])]  # 0.03 ± 4.3027 · 0.01 / √3
        [0.0052, 0.0548]
    """
    mean, error = statistics.mean(found), statistics.stdev(found) / len(found) ** 0.5
    reach = float(stdtrit(len(found) - 1, (1 + confidence) / 2)) * error
    return mean - reach, mean + reach


def by_chance(claims: int) -> str:
    """Say how many of some claims, none of them true, would hold because their interval lies above the margin.

    Args:
        claims: How many are judged.

    Example:
        >>> by_chance(40)
        'of 40 claims none of which were true, 1.0 would hold by chance'
    """
    expected = claims * (1 - CONFIDENCE) / 2
    return f"of {claims} claims none of which were true, {expected:.1f} would hold by chance"
