from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mfnet_lite.world.colours import GREENS, LAWNS, confusion, mix, pick


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_confusion_grows_with_ambiguity(a: float, b: float, threshold: float) -> None:
    low, high = sorted((a, b))
    assert 0 <= confusion(low, threshold) <= confusion(high, threshold) <= 1
    assert confusion(0.0, threshold) == 0
    assert confusion(1.0, threshold) == pytest.approx(1)


@given(st.floats(0, 1, exclude_max=True), st.floats(0, 1))
def test_colours_stay_reflectances(chance: float, tone: float) -> None:
    colour = pick(GREENS, chance, tone)
    assert colour.shape == (4,)
    assert (colour > 0).all()
    assert (colour < 1).all()
    assert np.allclose(mix(colour, LAWNS[0], 0.0), colour)
    assert np.allclose(mix(colour, LAWNS[0], 1.0), LAWNS[0])
