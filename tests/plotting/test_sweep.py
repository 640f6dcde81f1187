"""A function at several values."""

from __future__ import annotations

import numpy as np
import pytest

from mfnet_lite.plotting import StaticSlider, sweep


def test_frames_are_drawn_in_order_and_labelled_after_drawing() -> None:
    seen: list[int] = []

    def draw(value: int) -> np.ndarray:
        seen.append(value)
        return np.full((3, 8, 8), 40 * value, np.uint8)

    slider = sweep(draw, [1, 2, 3], "rank", "a square", lambda k: f"rank {k}, {len(seen)} drawn")
    assert isinstance(slider, StaticSlider)
    assert seen == [1, 2, 3]
    assert 'data-label="rank 3, 3 drawn"' in slider.html


def test_no_values_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one value"):
        sweep(lambda value: value, [], "rank", "a square")


def test_the_value_shown_first_is_passed_on() -> None:
    slider = sweep(
        lambda k: np.full((3, 8, 8), k, np.uint8), [1, 2, 3], "rank", "a square", start=1
    )
    assert isinstance(slider, StaticSlider)
    assert 'value="1"' in slider.html
    assert ">2</output>" in slider.html
