"""Line plots with labelled axes, the form every experiment of the book takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mfnet_lite.plotting.book_figure import Array, one_panel, start_at_zero

__all__ = ["show_lines"]

_MARKERS = "osD^v"


def show_lines(
    x: Sequence[float] | Sequence[str] | Array,
    lines: Mapping[str, Sequence[float] | Array],
    xlabel: str,
    ylabel: str,
    title: str | None = None,
    ax: Axes | None = None,
    from_zero: bool = False,
    joined: bool = True,
) -> Figure:
    """Draw named lines; colour and marker both distinguish them.

    Args:
        x: Positions, shared by all lines; names stand side by side.
        lines: Values by name; a legend appears if there are several.
        xlabel: What x is, with its unit.
        ylabel: What the values are, with their unit.
        title: Text above the panel.
        ax: Panel to draw into.
        from_zero: Start the vertical axis at 0, as scores want it.
        joined: Join the marks; not where x has no order.

    Returns:
        The figure.

    Example:
        >>> show_lines([1, 2], {"a": [1, 4], "b": [2, 3]}, "step", "loss").axes[0].get_ylabel()
        'loss'
    """
    figure, ax = one_panel(ax, title)
    for index, (name, values) in enumerate(lines.items()):
        marker = _MARKERS[index % len(_MARKERS)]
        drawn = ax.plot(np.asarray(x), np.asarray(values), marker=marker, markersize=4, label=name)
        if from_zero:  # no mark is cut by the axis it lies on
            drawn[0].set(clip_on=False, zorder=3)
        if not joined:
            drawn[0].set(linestyle="none", markersize=8)
    ax.set(xlabel=xlabel, ylabel=ylabel)
    if from_zero:
        start_at_zero(ax)
    if len(lines) > 1:
        ax.legend(frameon=False)
    return figure
