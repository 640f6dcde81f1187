"""Scores of repeated trainings: every run is a dot, since a mean alone hides the spread over seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mfnet_lite.plotting.book_figure import one_panel, panels

__all__ = ["show_runs"]


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
        from_zero: Start the vertical axis at 0.

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
        ax.plot(index + spread, scores, "o", color="#0072b2", markersize=5)
        ax.plot([index - 0.3, index + 0.3], 2 * [float(np.mean(scores))], "-", color="#d55e00")
    ax.set_xticks(range(len(runs)), list(runs))
    ax.set(ylabel=ylabel, xlim=(-0.5, len(runs) - 0.5))
    if from_zero:
        ax.set_ylim(bottom=0)
    return figure
