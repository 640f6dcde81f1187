"""One function drawn at several values: a slider on the page, a live one where a kernel runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from matplotlib.figure import Figure

from mfnet_lite.plotting.book_figure import Array
from mfnet_lite.plotting.live import live_slider
from mfnet_lite.plotting.slider import Encoding, static_slider

__all__ = ["sweep"]


def sweep(
    draw: Callable[[Any], Array | Figure],
    values: Sequence[Any],
    title: str,
    alt: str,
    label: Callable[[Any], str] = str,
    encoding: Encoding = "webp",
    quality: int = 72,
    width: int | None = None,
    start: int = 0,
) -> object:
    """Show ``draw(value)`` for the value chosen with a slider.

    Args:
        draw: Called with one of ``values``; returns a figure or an image.
        values: The positions of the slider.
        title: What the slider changes.
        alt: What the images show; each frame's label is added to it.
        label: Makes the text of a position; called after ``draw`` of the same value.
        encoding: As in :func:`~mfnet_lite.plotting.slider.static_slider`.
        quality: As in :func:`~mfnet_lite.plotting.slider.static_slider`.
        width: Shown width in pixels.
        start: Index of the value shown first.

    Returns:
        A live widget where somebody sits at a notebook, a slider over stored frames elsewhere.

    Raises:
        ValueError: If there are no values, a text is empty, or no value has the index ``start``.

    Example:
        >>> import numpy as np
        >>> sweep(lambda grey: np.full((4, 4), grey), [0.0, 1.0], "grey", "a square")
        StaticSlider(title='grey', count=2)
    """
    live = live_slider(draw, values, title, start)
    if live is not None:
        return live
    drawn = [(draw(value), label(value)) for value in values]
    frames, labels = [frame for frame, _ in drawn], [text for _, text in drawn]
    return static_slider(frames, labels, title, alt, encoding, quality, width, start)
