"""The extra for readers with a kernel: the same slider, computed as it is moved.

A page cannot run Python, so every chapter shows a :func:`~mfnet_lite.plotting.slider.static_slider` first and may add
this one. When the book itself is run (papermill, nbval) it stays silent, so that outputs hold no dead widget.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

STATIC_VARIABLE = "MFNET_LITE_STATIC"
"""Set to 1 by the scripts that run the book; keeps live widgets out of stored outputs."""


def kernel_alive() -> bool:
    """Whether somebody sits at a notebook: an IPython kernel runs and the book is not being run in bulk."""
    if os.environ.get(STATIC_VARIABLE, "0") not in ("", "0"):
        return False
    try:
        from IPython.core.getipython import get_ipython
    except ImportError:
        return False
    return getattr(get_ipython(), "kernel", None) is not None


def live_slider(
    draw: Callable[[Any], object], values: Sequence[Any], title: str, start: int = 0
) -> object | None:
    """Show ``draw(value)`` for the value chosen with a slider, if a kernel lives; otherwise do nothing.

    Args:
        draw: Called with one of ``values``; what it returns is displayed.
        values: The positions of the slider.
        title: What the slider changes.
        start: Index of the first value shown.

    Returns:
        The widget, or None without a kernel.

    Raises:
        ImportError: If a kernel lives but ipywidgets is not installed.
        ValueError: If there are no values.
    """
    if not values:
        raise ValueError(f"expected at least one value for the slider {title!r}, got none")
    if not kernel_alive():
        return None
    ipywidgets = _widgets()
    choice = ipywidgets.SelectionSlider(
        options=[(str(value), value) for value in values],
        index=start,
        description=title,
        continuous_update=False,
    )

    def redraw(value: object) -> object:
        return draw(value)  # ipywidgets passes by name, and draw may call its argument anything

    return ipywidgets.interactive(redraw, value=choice)


def live_text(draw: Callable[[str], object], start: str, title: str) -> object | None:
    """Show ``draw(text)`` for what is typed into a box, if a kernel lives; otherwise do nothing.

    What ``draw`` refuses with a ValueError is shown as its message, so that a typing error needs no traceback.

    Args:
        draw: Called with the text when Enter is pressed or the box is left; what it returns is displayed.
        start: The first text.
        title: What is typed.

    Returns:
        The widget, or None without a kernel.

    Raises:
        ImportError: If a kernel lives but ipywidgets is not installed.
    """
    if not kernel_alive():
        return None
    ipywidgets = _widgets()
    box = ipywidgets.Text(value=start, description=title, continuous_update=False)

    def redraw(value: str) -> object:
        try:
            return draw(value)
        except ValueError as refused:
            return str(refused)

    return ipywidgets.interactive(redraw, value=box)


def _widgets() -> Any:
    """Import ipywidgets, or say what is missing."""
    try:
        import ipywidgets
    except ImportError as error:
        raise ImportError(
            "live widgets need the package ipywidgets, which is not installed; "
            "run pip install ipywidgets, or use the static slider above"
        ) from error
    return ipywidgets
