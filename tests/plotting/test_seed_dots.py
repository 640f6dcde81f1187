"""One dot per run, one bar per variant."""

from __future__ import annotations

import pytest

from mfnet_lite.plotting import panels, show_runs


def test_dots_bars_and_names() -> None:
    axes = show_runs({"a": [0.2, 0.4, 0.6], "b": [0.5]}, "IoU", "seeds").axes[0]
    dots, bar, lone, _ = axes.lines
    assert list(dots.get_ydata()) == [0.2, 0.4, 0.6]
    assert list(dots.get_xdata()) == pytest.approx([-0.08, 0, 0.08])
    assert list(bar.get_ydata()) == pytest.approx([0.4, 0.4])
    assert list(lone.get_xdata()) == [1]
    assert [text.get_text() for text in axes.get_xticklabels()] == ["a", "b"]
    assert axes.get_ylim()[0] == 0


def test_draws_into_a_panel() -> None:
    figure, (_, ax) = panels(["one", "two"])
    assert show_runs({"a": [-1.0]}, "gain", ax=ax, from_zero=False) is figure
    assert ax.get_ylim()[0] < -1
    assert ax.get_title() == "two"


@pytest.mark.parametrize("runs", [{}, {"a": []}])
def test_nothing_to_show_is_an_error(runs: dict[str, list[float]]) -> None:
    with pytest.raises(ValueError, match="at least one score for every variant"):
        show_runs(runs, "IoU")
