"""The images every chapter needs: image, label with legend, height in metres, masks, prompts, instances.

Each function draws into ``ax`` if it gets one and otherwise makes a figure of one panel; it returns the figure.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from skimage.segmentation import find_boundaries

from mfnet_lite.plotting.book_figure import Array, one_panel, to_numpy, to_rgb
from mfnet_lite.plotting.palettes import CHANGE, ISPRS, Palette, instance_palette

__all__ = [
    "draw_prompts",
    "legend",
    "overlay",
    "show_change",
    "show_height",
    "show_image",
    "show_instances",
    "show_label",
    "show_masks",
]

LEGEND_ROW = 0.27  # inches
FOUR_ABREAST = 6.5
"""Inches from which on a figure has room for four names beside each other."""


def _image(ax: Axes, image: np.ndarray) -> None:
    """Draw an RGB image without ticks: pixel numbers mean nothing to a reader of a scene."""
    ax.imshow(image)
    ax.set_xticks([])
    ax.set_yticks([])


def show_image(
    image: Array, title: str | None = None, ax: Axes | None = None, bands: Sequence[int] = (0, 1, 2)
) -> Figure:
    """Show an image.

    Args:
        image: (bands, height, width) or (height, width); uint8, or float in [0, 1].
        title: Text above the panel.
        ax: Panel to draw into.
        bands: Bands shown as red, green, blue; (3, 0, 1) is the usual false colour of R, G, B, NIR data.

    Returns:
        The figure.

    Example:
        >>> import numpy as np
        >>> show_image(np.zeros((4, 8, 8), dtype=np.uint8), bands=(3, 0, 1)).axes[0].images[0].get_array().shape
        (8, 8, 3)
    """
    figure, ax = one_panel(ax, title)
    _image(ax, to_rgb(image, bands))
    return figure


def legend(figure: Figure, palette: Palette, classes: Sequence[int] | None = None) -> None:
    """Add one legend below all panels.

    Args:
        figure: The figure.
        palette: Names and colours.
        classes: Class indices to list, 255 for what has no class; all but that if None.
    """
    listed = range(len(palette)) if classes is None else classes
    legend_below(figure, [(palette.hex(k), palette.name(k)) for k in listed])


def legend_below(figure: Figure, named: Sequence[tuple[str, str]]) -> None:
    """Name colours in rows below all panels, and make room for the rows so that no panel shrinks.

    Args:
        figure: The figure.
        named: Colour and name of each entry.
    """
    columns = min(len(named), 4 if len(named) == 4 and figure.get_figwidth() > FOUR_ABREAST else 3)
    handles = [Patch(facecolor=colour, edgecolor="#404040", label=name) for colour, name in named]
    figure.legend(handles=handles, loc="outside lower center", ncols=columns, frameon=False)
    figure.set_figheight(figure.get_figheight() + LEGEND_ROW * -(-len(named) // columns))


def show_label(
    label: Array,
    palette: Palette = ISPRS,
    title: str | None = None,
    ax: Axes | None = None,
    with_legend: bool | None = None,
) -> Figure:
    """Show a map of classes.

    Args:
        label: (height, width) class indices; 255 marks pixels without a class.
        palette: Names and colours.
        title: Text above the panel.
        ax: Panel to draw into.
        with_legend: List the classes that occur; by default only where the function makes its own figure.

    Returns:
        The figure.
    """
    if with_legend is None:
        with_legend = ax is None
    figure, ax = one_panel(ax, title)
    data = to_numpy(label)
    _image(ax, palette.paint(data))
    if with_legend:
        legend(figure, palette, [int(value) for value in np.unique(data) if value < len(palette)])
    return figure


def show_change(changed: Array, title: str | None = None, ax: Axes | None = None) -> Figure:
    """Show a map of {0 unchanged, 1 changed}; 255 marks pixels without an answer."""
    return show_label(changed, CHANGE, title, ax)


def show_height(
    height: Array,
    title: str | None = None,
    ax: Axes | None = None,
    valid: Array | None = None,
    limits: tuple[float, float] | None = None,
) -> Figure:
    """Show a height map with a colour bar in metres; pixels without data are hatched grey, not the lowest colour.

    Args:
        height: (height, width) or (1, height, width), metres.
        title: Text above the panel.
        ax: Panel to draw into.
        valid: True where there is data; pixels that are not finite count as missing in any case.
        limits: Lowest and highest height of the colour scale; percentiles 1 and 99 of the valid pixels if None.

    Returns:
        The figure.
    """
    figure, ax = one_panel(ax, title)
    data = to_numpy(height).astype(np.float64).squeeze()
    if data.ndim != 2:
        raise ValueError(
            f"expected a height map of shape (height, width), got {tuple(to_numpy(height).shape)}"
        )
    good = np.isfinite(data)
    if valid is not None:
        good &= to_numpy(valid).astype(bool).squeeze()
    if limits is None:
        low, high = np.percentile(data[good], [1, 99]) if good.any() else (0.0, 1.0)
        limits = (float(low), float(max(high, low + 1e-3)))
    ax.set_facecolor("#b0b0b0")
    ax.patch.set_hatch("xxx")
    drawn = ax.imshow(
        np.ma.masked_where(~good, data), cmap="cividis", vmin=limits[0], vmax=limits[1]
    )
    ax.set_xticks([])
    ax.set_yticks([])
    figure.colorbar(drawn, ax=ax, label="height in metres", shrink=0.85)
    return figure


def overlay(
    image: Array, mask: Array, colour: tuple[int, int, int] = (230, 159, 0), opacity: float = 0.45
) -> np.ndarray:
    """Lay a translucent mask with a solid outline over an image.

    Args:
        image: (bands, height, width) or (height, width); uint8, or float in [0, 1].
        mask: (height, width), true inside the object.
        colour: sRGB, 0 to 255.
        opacity: 0 shows only the outline, 1 hides the image.

    Returns:
        The image, (height, width, 3), uint8.

    Raises:
        ValueError: If image and mask differ in size.
    """
    rgb = to_rgb(image).astype(np.float64)
    inside = to_numpy(mask).astype(bool).squeeze()
    if inside.shape != rgb.shape[:2]:
        raise ValueError(
            f"expected a mask of shape {image.shape[:2]} like the image, got {inside.shape}"
        )
    rgb[inside] = (1 - opacity) * rgb[inside] + opacity * np.array(colour)
    rgb[find_boundaries(inside, mode="inner")] = colour
    return np.rint(rgb).astype(np.uint8)


def show_masks(
    image: Array,
    masks: Array,
    title: str | None = None,
    ax: Axes | None = None,
    opacity: float = 0.45,
    points: Array | None = None,
) -> Figure:
    """Show several masks over an image, each in its own colour; small masks are drawn last, so none hides another.

    Args:
        image: (bands, height, width); uint8, or float in [0, 1].
        masks: (masks, height, width) or (height, width), true inside.
        title: Text above the panel.
        ax: Panel to draw into.
        opacity: Of the masks.
        points: Clicks inside the object to draw on top, (points, 2) as x, y in pixels.

    Returns:
        The figure.
    """
    figure, ax = one_panel(ax, title)
    stack = to_numpy(masks).astype(bool)
    stack = stack[None] if stack.ndim == 2 else stack
    # A lone mask needs no number, but has to stand out on asphalt and on grass.
    colours = instance_palette(len(stack))[1:] if len(stack) > 1 else [(230, 159, 0)]
    rgb = to_rgb(image)
    for index in np.argsort(-stack.sum(axis=(1, 2)), kind="stable"):
        red, green, blue = (int(value) for value in colours[index])
        rgb = overlay(np.moveaxis(rgb, -1, 0), stack[index], (red, green, blue), opacity)
    _image(ax, rgb)
    draw_prompts(ax, points)
    return figure


def show_instances(instances: Array, title: str | None = None, ax: Axes | None = None) -> Figure:
    """Show numbered objects, (height, width) with 0 as background; neighbours differ, colours mean nothing."""
    figure, ax = one_panel(ax, title)
    _, compact = np.unique(np.append(to_numpy(instances).ravel(), 0), return_inverse=True)
    compact = compact[:-1].reshape(to_numpy(instances).shape)
    _image(ax, instance_palette(int(compact.max(initial=0)))[compact])
    return figure


def draw_prompts(
    ax: Axes,
    points: Array | None = None,
    labels: Array | None = None,
    boxes: Array | None = None,
    scale: float = 1.0,
) -> None:
    """Draw SAM's prompts: foreground points as filled stars, background points as crosses, boxes as dashed frames.

    Shape tells foreground from background as well as colour does.

    Args:
        ax: Panel with the image.
        points: (points, 2) as x, y in pixels.
        labels: (points,) 1 foreground, 0 background; all foreground if None.
        boxes: (boxes, 4) or (4,) as left, top, right, bottom in pixels.
        scale: Width of stars and crosses; less than 1 beside an object that they would hide.
    """
    if points is not None:
        at = to_numpy(points).reshape(-1, 2)
        kind = np.ones(len(at)) if labels is None else to_numpy(labels).reshape(-1)
        looks = (("*", 170, "#f0e442", "black"), ("X", 110, "#d55e00", "white"))
        for shown, (marker, size, colour, edge) in zip((1, 0), looks, strict=True):
            x, y = at[kind == shown].T
            area, line = size * scale**2, 1.2 * scale
            ax.scatter(
                x, y, marker=marker, s=area, c=colour, edgecolors=edge, linewidths=line, zorder=3
            )
    if boxes is not None:
        for left, top, right, bottom in to_numpy(boxes).reshape(-1, 4):
            frame = (left, top), right - left, bottom - top
            ax.add_patch(Rectangle(*frame, fill=False, edgecolor="black", linewidth=3.2, zorder=2))
            ax.add_patch(
                Rectangle(
                    *frame, fill=False, edgecolor="#f0e442", linewidth=1.8, linestyle="--", zorder=2
                )
            )
