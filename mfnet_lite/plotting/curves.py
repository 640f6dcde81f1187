"""Lines that stay apart in print: every curve has its own dash as well as its own colour."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mfnet_lite.plotting.book_figure import one_panel, panels

_DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 3)), (0, (8, 3)))


def show_curves(
    curves: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    title: str | None = None,
    ax: Axes | None = None,
    marker: str | None = None,
    **axes: Any,
) -> Figure:
    """Draw named curves with a legend.

    Args:
        curves: x and y of each curve by its name.
        title: Text above the panel.
        ax: Panel to draw into.
        marker: Matplotlib marker of the measured points; none for functions.
        **axes: What ``Axes.set`` takes, for example ``xlabel``, ``ylabel``, ``ylim``, ``xscale``.

    Returns:
        The figure.

    Raises:
        ValueError: For a curve whose x and y differ in length.

    Example:
        >>> figure = show_curves({"line": ([0, 1], [2, 3])}, xlabel="step")
        >>> [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
        ['line']
    """
    figure: Figure
    if ax is None:
        figure, (ax,) = panels([title or ""], width=4.8, aspect=0.65)
    else:
        figure, ax = one_panel(ax, title)
    for index, (name, (x, y)) in enumerate(curves.items()):
        if len(x) != len(y):
            raise ValueError(
                f"expected as many x as y for the curve {name!r}, got {len(x)} and {len(y)}"
            )
        ax.plot(x, y, linestyle=_DASHES[index % len(_DASHES)], marker=marker, label=name)
    ax.set(**axes)
    if curves:
        ax.legend(frameon=False)
    return figure
