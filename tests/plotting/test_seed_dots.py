"""One dot per run, one bar per variant."""

from __future__ import annotations

import pytest

from mfnet_lite.plotting import panels, show_rows, show_runs


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


def test_rows_keep_their_lines_and_gains_have_whiskers() -> None:
    figure, (ax,) = panels(["gain"])
    rows = {"a": {0: 1.0, 1: 3.0}.values(), "none": [], "b": [2.0]}
    assert show_rows(rows, "points", ax=ax, others=["b"], zero=True) is figure
    dots, mean, whisker, _, lone, _, zero = ax.lines
    assert list(dots.get_xdata()) == [1, 3]
    assert list(mean.get_xdata()) == [2]
    # a standard error of 1; of two runs, the interval reaches 12.7 of them to both sides
    assert list(whisker.get_xdata()) == pytest.approx([2 - 12.7062, 2 + 12.7062], abs=1e-4)
    assert list(lone.get_ydata()) == [2]
    assert lone.get_color() != dots.get_color()
    assert list(zero.get_xdata()) == [0, 0]
    assert [text.get_text() for text in ax.get_yticklabels()] == ["a", "none", "b"]
    assert ax.get_ylim() == (2.5, -0.5)
    with pytest.raises(ValueError, match="at least one variant"):
        show_rows({}, "points")


@pytest.mark.parametrize("from_zero", [True, False])
def test_no_dot_lies_on_the_frame(from_zero: bool) -> None:
    low, high = (
        show_runs({"a": [0.7, 0.69], "b": [0.6]}, "IoU", from_zero=from_zero).axes[0].get_ylim()
    )
    assert high > 0.703
    assert low == 0 if from_zero else 0.5 < low < 0.597


def test_a_dot_at_zero_is_whole_and_differences_have_their_zero() -> None:
    axes = show_runs({"a": [0.0, 0.5]}, "IoU").axes[0]
    assert axes.get_ylim() == (0, pytest.approx(0.53))
    assert not axes.lines[0].get_clip_on()
    gains = show_runs({"a": [-0.1, 0.3]}, "gain", from_zero=False).axes[0]
    assert list(gains.lines[-1].get_ydata()) == [0, 0]
    high = show_runs({"a": [0.6, 0.7]}, "IoU", from_zero=False).axes[0]
    assert len(high.lines) == 2  # dots and their mean
