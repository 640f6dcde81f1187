"""Stated confidence against what came true."""

from __future__ import annotations

import numpy as np
import pytest

from mfnet_lite.plotting import show_calibration


def test_groups_are_sorted_and_averaged() -> None:
    figure = show_calibration([0.8, 0.2, 0.6, 0.4], [1, 0, 0.5, 0.5], "said", "true", groups=2)
    _, line = figure.axes[0].lines[:2]
    assert np.allclose(line.get_xdata(), [0.3, 0.7])
    assert np.allclose(line.get_ydata(), [0.25, 0.75])


def test_too_few_or_unequal_values_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 8, got 2 and 2"):
        show_calibration([0.1, 0.2], [0, 1], "said", "true")
    with pytest.raises(ValueError, match="got 1 and 2"):
        show_calibration([0.1, 0.2], [0], "said", "true", groups=2)
