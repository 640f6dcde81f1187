"""Several maps of one scene."""

from __future__ import annotations

import numpy as np
import pytest

from mfnet_lite.plotting import ISPRS, show_maps
from mfnet_lite.plotting.map_panels import DIFFERENCE

TRUTH = np.array([[0, 1], [1, 255]])


def test_the_last_panel_tells_mended_from_spoilt() -> None:
    first, last = np.array([[0, 0], [1, 1]]), np.array([[1, 1], [1, 0]])
    figure = show_maps(np.zeros((3, 2, 2)), np.eye(2), TRUTH, {"a": first, "b": last})
    titles = [ax.get_title() for ax in figure.axes]
    assert titles == ["optical", "height", "truth", "a", "b", "b against a"]
    outcome = figure.axes[-1].images[0].get_array()
    assert np.array_equal(outcome, DIFFERENCE.paint(np.array([[2, 1], [0, 0]])))
    listed = [text.get_text() for text in figure.legends[0].get_texts()]
    assert listed == [*ISPRS.names[:2], "no class", "no difference", "mended", "spoilt"]
    colours = [patch.get_facecolor() for patch in figure.legends[0].get_patches()]
    assert len(set(colours)) == len(colours)  # what has no class does not look like what is spoilt


def test_one_map_is_compared_with_nothing() -> None:
    figure = show_maps(np.zeros((3, 2, 2)), None, TRUTH, {"a": TRUTH})
    assert [ax.get_title() for ax in figure.axes] == ["optical", "truth", "a"]


def test_a_long_title_is_replaced() -> None:
    maps = {"a": TRUTH, "a network that is trained with the exchange": TRUTH}
    figure = show_maps(np.zeros((3, 2, 2)), None, TRUTH, maps)
    assert figure.axes[-1].get_title() == "mended and spoilt"


def test_no_map_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one class map"):
        show_maps(np.zeros((3, 2, 2)), None, TRUTH, {})
