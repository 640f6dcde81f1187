"""Is a stated confidence honest? What was said against what came true, in groups of equal size."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mfnet_lite.plotting.book_figure import Array, one_panel, to_numpy

__all__ = ["show_calibration"]


def show_calibration(
    said: Array,
    true: Array,
    xlabel: str,
    ylabel: str,
    groups: int = 8,
    title: str | None = None,
    ax: Axes | None = None,
) -> Figure:
    """Sort by what was said, cut into groups of equal size, and draw each group's means with one deviation.

    Args:
        said: Stated values, any shape.
        true: What they were worth, the same number.
        xlabel: What was said.
        ylabel: What was measured.
        groups: Number of groups, at most the number of values.
        title: Text above the panel.
        ax: Panel to draw into.

    Returns:
        The figure; a dashed diagonal marks honesty.

    Raises:
        ValueError: If the numbers of values differ, or there are fewer values than groups.

    Example:
        >>> figure = show_calibration([0.1, 0.9], [0, 1], "said", "true", groups=2)
        >>> [float(x) for x in figure.axes[0].lines[1].get_xdata()]
        [0.1, 0.9]
    """
    x, y = to_numpy(said).ravel(), to_numpy(true).ravel()
    if len(x) != len(y) or len(x) < groups:
        raise ValueError(
            f"expected as many true values as said ones and at least {groups}, got {len(y)} and {len(x)}"
        )
    figure, ax = one_panel(ax, title)
    parts = np.array_split(np.argsort(x, kind="stable"), groups)
    means = [x[part].mean() for part in parts], [y[part].mean() for part in parts]
    ax.plot([0, 1], [0, 1], "--", color="grey", label="honest")
    ax.errorbar(
        *means, yerr=[y[part].std() for part in parts], marker="o", capsize=3, label="mean, ± one deviation"
    )  # fmt: skip
    ax.set(xlabel=xlabel, ylabel=ylabel)
    ax.legend(frameon=False)
    return figure
