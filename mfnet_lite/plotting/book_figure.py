"""Figures that look the same in every chapter and leave matplotlib's global state alone.

A figure made here is not registered with pyplot: nothing stays open, nothing is drawn twice in a notebook, and
``matplotlib.rcParams`` is untouched, since the style applies only while the figure is made.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import torch
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

Array = np.ndarray | torch.Tensor
"""What the drawing functions accept; tensors may be on any device and carry gradients."""

STYLE: Any = {
    "font.size": 10.0,
    "axes.titlesize": 10.5,
    "axes.labelsize": 10.0,
    "legend.fontsize": 9.5,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "axes.prop_cycle": cycler(
        color=["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000"]
    ),
    "lines.linewidth": 1.8,
    "axes.grid": False,
    "image.interpolation": "nearest",
}


SCALE = 2
"""Pixels of an image for each pixel that it is shown at: screens of phones and laptops have two."""
MOST = 200_000
"""Bytes beyond which a figure is full of grain and is kept in a smaller form: a chapter has a megabyte."""
FLAT = 1 / 2000
"""Share of a figure's pixels from which on one colour is a surface, such as that of a class, and kept as it is."""
MARKS = (0xF0E442, 0xE69F00, 0xD55E00, 0xFFFFFF, 0x000000)
"""Colours of clicks, masks, boxes, outlines and letters: too small to be surfaces, and kept all the same."""
FORMS = ((SCALE, 256), (SCALE, 128), (1.5, 256), (1.5, 128), (1, 256))
"""Pixels for each one that is shown, and colours; the first form that is small enough is taken."""

SAMPLED = 2**16
"""Pixels that a palette is chosen from: as good as all of them, and up to ten times as fast."""


class BookFigure(Figure):
    """A matplotlib figure that shows itself once, as a small PNG, when it is the last line of a notebook cell."""

    def png(self, colours: int = 256, scale: float = SCALE) -> bytes:
        """Encode the figure as a PNG of at most ``colours`` colours.

        A palette cuts a figure with photographs to about a third of its size, which keeps notebooks small. Surfaces of
        one colour keep it, and so do clicks and masks, so that they look alike in every figure.

        Args:
            colours: 2 to 256.
            scale: Pixels for each one of the figure's own size.

        Returns:
            The file's bytes; equal figures give equal bytes.
        """
        small = reduced(self._drawn(scale), colours)
        packed = io.BytesIO()
        small.save(packed, format="png", optimize=True)
        return packed.getvalue()

    def pixels(self, scale: float = SCALE) -> np.ndarray:
        """The figure as an RGB image of shape (height, width, 3), uint8; frames of a slider are made so.

        Args:
            scale: Pixels for each one of the figure's own size.
        """
        return np.asarray(self._drawn(scale))

    def _drawn(self, scale: float) -> Image.Image:
        """Draw the figure, in all colours. The layout is settled by the first call."""
        if self.get_layout_engine() is not None:
            # The constrained layout moves a little with every drawing, and the first cuts high titles; settled here,
            # equal figures give equal bytes.
            self.draw_without_rendering()
            self.draw_without_rendering()
            self.set_layout_engine("none")
        # Not packed, since packing takes longer than drawing; but a PNG, which knows its own size.
        raw = io.BytesIO()
        self.savefig(raw, format="png", dpi=scale * self.dpi, pil_kwargs={"compress_level": 0})
        with Image.open(raw) as image:
            return image.convert("RGB")

    def _ipython_display_(self) -> None:
        """Show the figure in a notebook (IPython asks for this name)."""
        from IPython.display import display

        for scale, colours in FORMS:
            data = self.png(colours, scale)
            if len(data) <= MOST:
                break
        shown = {"width": round(self.get_figwidth() * self.dpi)}
        display(
            {"image/png": data, "text/plain": repr(self)}, metadata={"image/png": shown}, raw=True
        )


def reduced(image: Image.Image, colours: int) -> Image.Image:
    """Give an image a palette in which the colours of its marks and surfaces are left as they are.

    Args:
        image: An RGB image.
        colours: 2 to 256; marks and surfaces take half of them at most, marks first and then the largest.

    Returns:
        The image with a palette, equal for equal images.
    """
    pixels = np.asarray(image).astype(np.uint32)
    codes = pixels[..., 0] << 16 | pixels[..., 1] << 8 | pixels[..., 2]
    values, counts = np.unique(codes, return_counts=True)
    marks = np.isin(values, MARKS)
    first = np.lexsort((-counts, ~marks))[: colours // 2]
    kept = np.sort(values[first][marks[first] | (counts[first] >= FLAT * codes.size)])
    place = np.searchsorted(kept, codes).clip(max=max(0, len(kept) - 1))
    flat = kept[place] == codes if len(kept) else np.zeros(codes.shape, bool)
    palette = np.stack([kept >> 16 & 255, kept >> 8 & 255, kept & 255], axis=1).astype(np.uint8)
    index = place.astype(np.uint8)
    if not flat.all():
        rest = np.asarray(image)[~flat]
        some = rest
        if len(rest) > SAMPLED:
            some = rest[np.random.default_rng(0).integers(len(rest), size=SAMPLED)]
        # The default, median cut, gives large dull areas most colours and small bright ones their neighbours'.
        between = Image.fromarray(some[None]).quantize(
            colours - len(kept), method=Image.Quantize.MAXCOVERAGE, kmeans=3
        )
        nearest = Image.fromarray(rest[None]).quantize(palette=between, dither=Image.Dither.NONE)
        others = np.asarray(between.getpalette(), np.uint8).reshape(-1, 3)
        palette = np.concatenate([palette, others])
        index[~flat] = len(kept) + np.asarray(nearest)[0]
    found = Image.frombytes("P", image.size, index.tobytes())
    found.putpalette(palette.tobytes())
    return found


def panels(
    titles: Sequence[str],
    columns: int | None = None,
    width: float = 2.9,
    aspect: float = 1.0,
    dpi: int = 90,
) -> tuple[BookFigure, list[Axes]]:
    """Make a grid of titled panels.

    Args:
        titles: One per panel, in reading order.
        columns: Panels per row; all in one row if None, but at most four.
        width: Width of one panel in inches.
        aspect: Height of a panel divided by its width.
        dpi: Dots per inch.

    Returns:
        The figure and one axes per title.

    Raises:
        ValueError: If there are no titles or no columns.

    Example:
        >>> figure, axes = panels(["optical", "height"])
        >>> [ax.get_title() for ax in axes]
        ['optical', 'height']
    """
    if columns is None:
        columns = min(4, len(titles))
    if not titles or columns < 1:
        raise ValueError(
            f"expected at least one title and one column, got {len(titles)} titles and {columns} columns"
        )
    rows = -(-len(titles) // columns)
    with mpl.rc_context(STYLE):
        figure = BookFigure(
            figsize=(width * columns, (width * aspect + 0.3) * rows), dpi=dpi, layout="constrained"
        )
        axes = [figure.add_subplot(rows, columns, place + 1) for place in range(len(titles))]
        for ax, title in zip(axes, titles, strict=True):
            ax.set_title(title)
    return figure, axes


def one_panel(ax: Axes | None, title: str | None, width: float = 4.2) -> tuple[Figure, Axes]:
    """The given axes with its figure, or a new figure of one panel; sets the title if there is one."""
    if ax is None:
        figure, (ax,) = panels([title or ""], width=width)
        return figure, ax
    if title is not None:
        ax.set_title(title)
    root = ax.get_figure(root=True)
    if root is None:
        raise ValueError(
            "expected axes that belong to a figure, got axes that were removed; make new ones with panels"
        )
    return root, ax


def start_at_zero(ax: Axes) -> None:
    """Let the vertical axis run from 0 to a little above the highest value that is drawn."""
    highest = float(ax.dataLim.ymax)
    ax.set_ylim(0, 1.06 * highest if highest > 0 else None)


def to_numpy(array: Array) -> np.ndarray:
    """A NumPy view or copy of an array or tensor."""
    if isinstance(array, torch.Tensor):
        return array.detach().cpu().numpy()
    return np.asarray(array)


def to_rgb(image: Array, bands: Sequence[int] = (0, 1, 2)) -> np.ndarray:
    """Turn an image of any band count into an RGB image for the screen.

    Args:
        image: (bands, height, width) or (height, width); uint8, or float in [0, 1].
        bands: Which three bands to show as red, green and blue; ignored for one band.

    Returns:
        The image, (height, width, 3), uint8.

    Raises:
        ValueError: For another shape, a missing band, or float values outside [0, 1].
    """
    data = to_numpy(image)
    if data.ndim == 2:
        data = data[None]
    if data.ndim != 3:
        raise ValueError(
            f"expected an image of shape (bands, height, width), got {tuple(data.shape)}"
        )
    if data.shape[0] == 1:
        bands = (0, 0, 0)
    if max(bands) >= data.shape[0]:
        raise ValueError(
            f"expected bands below {data.shape[0]} for an image of shape {tuple(data.shape)}, got {tuple(bands)}"
        )
    rgb = np.moveaxis(data[list(bands)], 0, -1)
    if rgb.dtype == np.uint8:
        return rgb
    low, high = float(np.nanmin(rgb)), float(np.nanmax(rgb))
    if not (low >= -1e-6 and high <= 1 + 1e-6):
        raise ValueError(
            f"expected a float image in [0, 1], got values from {low:.3g} to {high:.3g}; scale it first"
        )
    return np.rint(255 * np.clip(np.nan_to_num(rgb), 0, 1)).astype(np.uint8)
