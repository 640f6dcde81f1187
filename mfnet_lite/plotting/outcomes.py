"""Hits, false alarms and misses of a yes-or-no map, each pixel in the colour of its outcome."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mfnet_lite.plotting.book_figure import Array, to_numpy
from mfnet_lite.plotting.figures import show_label
from mfnet_lite.plotting.palettes import ERRORS

__all__ = ["show_outcome"]


def show_outcome(
    called: Array, truth: Array, title: str | None = None, ax: Axes | None = None
) -> Figure:
    """Show where a map of {yes, no} is right and how it is wrong, in the colours of ``ERRORS``.

    Args:
        called: (height, width), true where the map says yes.
        truth: Of the same shape, true where yes is right.
        title: Text above the panel.
        ax: Panel to draw into.

    Returns:
        The figure.

    Raises:
        ValueError: If the shapes differ.
    """
    said, right = to_numpy(called).astype(bool), to_numpy(truth).astype(bool)
    if said.shape != right.shape:
        raise ValueError(
            f"expected two maps of one shape, got {said.shape} for the map and {right.shape} for the truth"
        )
    outcome = np.where(right, np.where(said, 1, 3), np.where(said, 2, 0))
    return show_label(outcome, ERRORS, title, ax)
