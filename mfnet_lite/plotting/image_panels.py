"""Rows of named images, each drawn as what it is: photograph, grey map or class map."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from mfnet_lite.plotting.book_figure import Array, panels, to_numpy, to_rgb
from mfnet_lite.plotting.figures import legend, show_image, show_label
from mfnet_lite.plotting.palettes import ISPRS, Palette

__all__ = ["show_images"]

HOLE = (213, 94, 0)
"""Colour of pixels of a grey map that were not measured: no grey, since all of them are values."""


def show_images(
    images: Mapping[str, Array],
    columns: int | None = None,
    width: float = 2.4,
    palette: Palette = ISPRS,
    stretch: bool = False,
) -> Figure:
    """Draw one panel per image under its name.

    Three bands are a photograph; one band of floating-point numbers is a grey map, orange where it has none; one
    band of whole numbers or truth values is a map of classes, and the classes that occur are listed below all panels,
    as is what has none (255).

    Args:
        images: (bands, height, width) or (height, width) by the title of the panel.
        columns: Panels per row; at most four in one row if None.
        width: Width of a panel in inches.
        palette: Names and colours of the classes.
        stretch: Spread grey maps between their percentiles 2 and 98; otherwise they lie in [0, 1].

    Returns:
        The figure.

    Raises:
        ValueError: If there is no image.

    Example:
        >>> import numpy as np
        >>> figure = show_images({"grey": np.zeros((4, 4)), "classes": np.eye(4, dtype=int)})
        >>> [ax.get_title() for ax in figure.axes], len(figure.legends)
        (['grey', 'classes'], 1)
    """
    figure, axes = panels(list(images), columns, width)
    classes: set[int] = set()
    for ax, image in zip(axes, images.values(), strict=True):
        data = to_numpy(image)
        flat = data.ndim == 2
        if flat and data.dtype.kind in "biu":
            show_label(data.astype(np.int64), palette, ax=ax)
            classes |= {int(value) for value in np.unique(data)}
        else:
            rgb = to_rgb(_stretched(data) if flat and stretch else data)
            if flat:
                rgb[np.isnan(data)] = HOLE
            show_image(np.moveaxis(rgb, -1, 0), ax=ax)
    if classes:
        legend(figure, palette, sorted(classes))
    return figure


def _stretched(data: np.ndarray) -> np.ndarray:
    """Grey values from 0 at percentile 2 to 1 at percentile 98."""
    low, high = np.nanpercentile(data, (2, 98))
    return np.asarray(np.clip((data - low) / max(high - low, 1e-9), 0, 1))
