"""Scores of repeated trainings: every run is a dot, since a mean alone hides the spread over seeds."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mfnet_lite.plotting.book_figure import one_panel, panels, start_at_zero
from mfnet_lite.utils.student_intervals import interval

__all__ = ["show_rows", "show_runs"]


def show_runs(
    runs: Mapping[str, Sequence[float]],
    ylabel: str,
    title: str | None = None,
    ax: Axes | None = None,
    from_zero: bool = True,
) -> Figure:
    """Draw one column per variant: a dot per run and a bar at their mean.

    Args:
        runs: Scores by name of the variant, one per seed.
        ylabel: What the scores are.
        title: Text above the panel.
        ax: Panel to draw into.
        from_zero: Start the vertical axis at 0; otherwise a line is drawn at 0 where values lie on both sides.

    Returns:
        The figure.

    Raises:
        ValueError: If there is no variant, or one without runs.

    Example:
        >>> show_runs({"a": [0.2, 0.4], "b": [0.5]}, "IoU").axes[0].get_ylabel()
        'IoU'
    """
    if not runs or not all(len(scores) for scores in runs.values()):
        raise ValueError("expected at least one score for every variant, got an empty one")
    figure: Figure
    if ax is None:
        figure, (ax,) = panels([title or ""], width=max(3.6, 1.15 * len(runs)), aspect=0.6)
    else:
        figure, ax = one_panel(ax, title)
    for index, scores in enumerate(runs.values()):
        step = min(0.08, 0.6 / max(len(scores) - 1, 1))  # equal scores stay apart, columns too
        spread = step * (np.arange(len(scores)) - (len(scores) - 1) / 2)
        dots = ax.plot(index + spread, scores, "o", color="#0072b2", markersize=5, zorder=3)
        dots[0].set_clip_on(not from_zero)  # no dot is cut by the axis it lies on
        ax.plot([index - 0.3, index + 0.3], 2 * [float(np.mean(scores))], "-", color="#d55e00")
    ax.set_xticks(range(len(runs)), list(runs))
    ax.set(ylabel=ylabel, xlim=(-0.5, len(runs) - 0.5))
    ax.margins(y=0.06)  # no dot is cut by the frame
    low, high = ax.get_ylim()
    if from_zero:
        start_at_zero(ax)
    elif low < 0 < high:
        ax.axhline(0, color="#606060", linewidth=1, zorder=0)
    return figure


def show_rows(
    rows: Mapping[str, Collection[float]],
    xlabel: str,
    title: str | None = None,
    ax: Axes | None = None,
    others: Collection[str] = (),
    zero: bool = False,
) -> Figure:
    """Draw one line per variant, its name at the left: a faint dot per run and a mark at their mean.

    Long names and many variants want lines rather than the columns of :func:`show_runs`. A variant without runs
    keeps its line, so that panels beside each other can share their names.

    Args:
        rows: Scores by name of the variant, one per seed, in any collection.
        xlabel: What the scores are.
        title: Text above the panel.
        ax: Panel to draw into.
        others: Variants of another kind, in another colour.
        zero: Draw the line of no difference, and each mean's 95 % interval of Student's t as whiskers: for gains.

    Returns:
        The figure.

    Raises:
        ValueError: If there is no variant.

    Example:
        >>> ax = show_rows({"a": [0.2, 0.4], "b": [0.5]}, "IoU", others=["b"]).axes[0]
        >>> [text.get_text() for text in ax.get_yticklabels()]
        ['a', 'b']
    """
    if not rows:
        raise ValueError("expected at least one variant, got none")
    figure: Figure
    if ax is None:
        figure, (ax,) = panels([title or ""], width=6.4, aspect=(0.6 + 0.26 * len(rows)) / 6.4)
    else:
        figure, ax = one_panel(ax, title)
    for place, (name, runs) in enumerate(rows.items()):
        scores = np.array(list(runs), dtype=float)
        colour = "#d55e00" if name in others else "#0072b2"
        ax.plot(scores, np.full(len(scores), place), "o", color=colour, alpha=0.4, markersize=5)
        if len(scores):
            ax.plot(scores.mean(), place, "|", color=colour, markersize=15, markeredgewidth=2.5)
        if zero and len(scores) > 1:
            ax.plot(interval(scores.tolist()), [place, place], "-", color=colour)
    if zero:
        ax.axvline(0, color="#606060", linewidth=1)
    ax.set_yticks(range(len(rows)), list(rows))
    ax.set(xlabel=xlabel, ylim=(len(rows) - 0.5, -0.5))
    ax.grid(axis="x", alpha=0.3)
    return figure
