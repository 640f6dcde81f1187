"""Curves of repeated trainings: the mean over seeds with one standard deviation as a whisker."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mfnet_lite.plotting.book_figure import one_panel, panels

__all__ = ["show_spread"]

BESIDE = 1.04
"""Ratio of the places of two curves next to each other on a logarithmic axis."""
_FORMS = ("o-", "s--", "D-.", "^:", "v-")


def show_spread(
    curves: Mapping[str, Mapping[float, Collection[float]]],
    title: str | None = None,
    ax: Axes | None = None,
    **axes: Any,
) -> Figure:
    """Draw named curves through the means of repeated runs.

    Args:
        curves: For every curve the scores of the runs, one per seed, by their place on the x axis. A place without
            runs is left out.
        title: Text above the panel.
        ax: Panel to draw into.
        **axes: What ``Axes.set`` takes, for example ``xlabel``, ``ylabel``, ``xscale``. With a logarithmic x axis
            the places themselves are its ticks, and curves lie beside each other, so that whiskers do.

    Returns:
        The figure; a legend appears if there are several curves.

    Example:
        >>> figure = show_spread({"U-Net": {1: [0.2, 0.4], 8: [0.5, 0.7]}}, xlabel="scenes")
        >>> figure.axes[0].lines[0].get_xdata().tolist()
        [1.0, 8.0]
    """
    figure: Figure
    if ax is None:
        figure, (ax,) = panels([title or ""], width=4.8, aspect=0.65)
    else:
        figure, ax = one_panel(ax, title)
    logarithmic = axes.get("xscale") == "log"
    for index, (form, (name, runs)) in enumerate(
        zip(_cycle(len(curves)), curves.items(), strict=True)
    ):
        aside = BESIDE ** (index - (len(curves) - 1) / 2) if logarithmic else 1.0
        known = {x: np.array(list(scores)) for x, scores in runs.items() if len(scores)}
        means = [float(scores.mean()) for scores in known.values()]
        spread = [scores.std(ddof=1) if len(scores) > 1 else 0 for scores in known.values()]
        x = [place * aside for place in known]
        ax.errorbar(x, means, spread, fmt=form, capsize=3, markersize=5, label=name)
    ax.set(**axes)
    if logarithmic:
        places = sorted({x for runs in curves.values() for x in runs})
        ax.set_xticks(places, [f"{x:g}" for x in places])
        ax.minorticks_off()
    if len(curves) > 1:
        ax.legend(frameon=False)
    return figure


def _cycle(count: int) -> list[str]:
    """Return a form for each of so many curves."""
    return [_FORMS[k % len(_FORMS)] for k in range(count)]
