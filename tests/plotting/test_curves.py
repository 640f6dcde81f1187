"""Curves."""

from __future__ import annotations

import pytest

from mfnet_lite.plotting import panels, show_curves


def test_curves_differ_in_dash_and_colour_and_are_named() -> None:
    figure = show_curves({name: ([0, 1], [0, 1]) for name in "abcd"}, ylim=(0, 2), xlabel="step")
    (ax,) = figure.axes
    assert len({str(line.get_linestyle()) for line in ax.lines}) == 4
    assert len({str(line.get_color()) for line in ax.lines}) == 4
    assert [text.get_text() for text in ax.get_legend().get_texts()] == list("abcd")
    assert ax.get_ylim() == (0, 2)
    assert ax.get_xlabel() == "step"


def test_a_given_panel_is_used_and_may_stay_empty() -> None:
    figure, (ax,) = panels(["x"])
    assert show_curves({}, ax=ax) is figure
    assert ax.get_legend() is None


def test_unequal_lengths_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"curve 'short', got 2 and 1"):
        show_curves({"short": ([0, 1], [0])})
