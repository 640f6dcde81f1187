"""Intervals of Student's t, by hand and by scipy's distribution."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import t

from mfnet_lite.utils.student_intervals import by_chance, interval


def test_by_hand() -> None:
    # t of two degrees of freedom at 97.5 %: 4.30265; of four: 2.77645
    low, high = interval([0.02, 0.03, 0.04])
    assert high - 0.03 == pytest.approx(4.30265 * 0.01 / 3**0.5, rel=1e-5)
    assert 0.03 - low == pytest.approx(high - 0.03)
    low, _ = interval([0.01, 0.02, 0.03, 0.04, 0.05])
    assert low == pytest.approx(0.03 - 2.77645 * 0.0158114 / 5**0.5, rel=1e-4)


@pytest.mark.parametrize("confidence", [0.9, 0.95])
def test_by_the_distribution(confidence: float) -> None:
    found = [0.3, 0.1, 0.25, 0.4]
    error = np.std(found, ddof=1) / 2
    wanted = t.interval(confidence, 3, loc=np.mean(found), scale=error)
    assert interval(found, confidence) == pytest.approx(wanted)


def test_one_in_forty_holds_by_chance() -> None:
    assert by_chance(80) == "of 80 claims none of which were true, 2.0 would hold by chance"
