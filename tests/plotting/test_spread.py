"""Means and standard deviations over seeds."""

from __future__ import annotations

import pytest

from mfnet_lite.plotting import panels, show_spread


def test_means_whiskers_ticks_and_names() -> None:
    curves = {"a": {1: [1.0, 3.0], 8: [4.0], 4: []}, "b": {2: [5.0]}}
    figure = show_spread(curves, "scores", xscale="log", ylabel="IoU")
    (ax,) = figure.axes
    first, whiskers = ax.containers[0].lines[0], ax.containers[0].lines[2][0]
    beside = 1.04**0.5  # whiskers of one place do not cover each other
    assert list(first.get_xdata()) == pytest.approx([1 / beside, 8 / beside])
    assert list(ax.containers[1].lines[0].get_xdata()) == pytest.approx([2 * beside])
    assert list(first.get_ydata()) == [2, 4]
    ends = [[y for _, y in segment] for segment in whiskers.get_segments()]
    assert ends == [pytest.approx([2 - 2**0.5, 2 + 2**0.5]), [4, 4]]
    assert [text.get_text() for text in ax.get_xticklabels()] == ["1", "2", "4", "8"]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["a", "b"]
    assert (ax.get_title(), ax.get_ylabel()) == ("scores", "IoU")


def test_draws_into_a_panel_and_one_curve_needs_no_legend() -> None:
    figure, (_, ax) = panels(["one", "two"])
    assert show_spread({"a": {1: [0.5]}}, ax=ax) is figure
    assert ax.get_legend() is None
    assert ax.get_title() == "two"
