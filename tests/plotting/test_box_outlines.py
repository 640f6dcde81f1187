"""Boxes lie where their pixels are drawn."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib import pyplot as plt

from mfnet_lite.plotting import draw_boxes


def test_a_box_runs_along_the_edges_of_its_pixels():
    _, ax = plt.subplots()
    ax.imshow(np.zeros((8, 8)))
    draw_boxes([(0, 0, 8, 4)], ax)
    halo, line = ax.patches
    assert line.get_xy()[:4].tolist() == [[-0.5, -0.5], [7.5, -0.5], [7.5, 3.5], [-0.5, 3.5]]
    assert halo.get_linewidth() > line.get_linewidth()
    plt.close("all")


def test_oriented_boxes_and_words():
    _, ax = plt.subplots()
    draw_boxes([(1, 0, 2, 1, 1, 2, 0, 1)], ax, words=["car"], dashed=True)
    assert ax.patches[1].get_xy()[2].tolist() == [0.5, 1.5]
    assert ax.patches[1].get_linestyle() == "--"
    assert [text.get_text() for text in ax.texts] == ["car"]
    assert tuple(ax.texts[0].xy) == (0.5, -0.5)  # the uppermost corner
    plt.close("all")


def test_faults():
    _, ax = plt.subplots()
    with pytest.raises(ValueError, match="expected a word for each of 1 boxes, got 2"):
        draw_boxes([(0, 0, 1, 1)], ax, ["a", "b"])
    with pytest.raises(ValueError, match="four or eight numbers, got 5"):
        draw_boxes([(0, 0, 1, 1, 1)], ax)
    plt.close("all")
