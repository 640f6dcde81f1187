r"""From metres above sea level to an image a network can see.

A raw height map looks blank: in a Vaihingen tile all values lie between 245 and 290, and one missing
pixel of −9999 pushes them into a single grey. Three choices, all computed over a *whole* tile (never
a crop, or the same roof would change its value with the crop) and over valid pixels only:

=========  =========================================================================================
minmax     the authors': :math:`(z - z_{min}) / (z_{max} - z_{min})`; one crane sets the scale
robust     the same between the percentiles 2 and 98, clipped; as minmax where both are one value
ground     height above ground in metres, divided by 30 and clipped: the same roof has the same value
           in every tile, on a hill and in a valley
=========  =========================================================================================

The ground is estimated on cells of about one metre: a low percentile per cell (robust against
spikes of the matching), a morphological opening with a window of 50 m (removes whatever is narrower:
houses and trees, not hills), and a mean of the same width. A building wider than the window counts as
ground, and within half a window of the border a slope is cut by up to 25 m times its steepness.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Num
from scipy import ndimage

from mfnet_lite.rasters.masked_arrays import split_mask
from mfnet_lite.rasters.tiling import Window

SCALINGS = ("minmax", "robust", "ground")
PERCENTILES = (2.0, 98.0)
FULL_HEIGHT = 30.0  # metres above ground that map to 1
DEFAULT_GSD = 0.25
CELL_METRES = 1.0
OPENING_METRES = 50.0
CELL_PERCENTILE = 10.0
MAX_CELLS = 4_000_000  # of the ground grid, so that a scene of any size needs 16 MB


@dataclass(frozen=True, eq=False)
class Scaling:
    """A fitted scaling; calling it maps heights to [0, 1].

    Attributes:
        name: One of :data:`SCALINGS`.
        low: Height that maps to 0 (``minmax``, ``robust``).
        high: Height that maps to 1 (``minmax``, ``robust``).
        ground: Ground elevation per cell (``ground``), in metres.
        cell: Pixels along the side of a cell.
    """

    name: str
    low: float = 0.0
    high: float = FULL_HEIGHT
    ground: Float[np.ndarray, "rows cols"] | None = None
    cell: int = 1

    def __call__(
        self,
        dsm: Num[np.ndarray, "height width"],
        valid: Bool[np.ndarray, "height width"] | None = None,
        window: Window | None = None,
    ) -> Float[np.ndarray, "height width"]:
        """Scale heights.

        Args:
            dsm: Heights of the tile, or of a window of it; a masked array holds no data where it is masked.
            valid: Pixels holding data; None means all that are finite.
            window: Where ``dsm`` lies in the tile; None means at its upper left corner.

        Returns:
            float32 in [0, 1]; 0 where not valid, and everywhere on a flat tile.
        """
        dsm, valid = split_mask(dsm, valid)
        usable = np.isfinite(dsm) if valid is None else valid & np.isfinite(dsm)
        heights = np.where(usable, dsm, 0).astype(np.float32)
        if self.ground is not None:
            top, left = (0, 0) if window is None else (window.row, window.col)
            heights -= self._ground_at(top, left, *dsm.shape)
            scaled = heights / np.float32(FULL_HEIGHT)
        elif self.high > self.low:
            scaled = (heights - np.float32(self.low)) / np.float32(self.high - self.low)
        else:
            return np.zeros(dsm.shape, dtype=np.float32)
        return np.where(usable, np.clip(scaled, 0, 1), np.float32(0))

    def _ground_at(
        self, top: int, left: int, height: int, width: int
    ) -> Float[np.ndarray, "height width"]:
        """Bilinear interpolation of the ground grid at the pixels of a window."""
        grid = self.ground
        assert grid is not None
        r0, r1, rt = _between(top, height, self.cell, grid.shape[0])
        c0, c1, ct = _between(left, width, self.cell, grid.shape[1])
        rows = grid[r0] * (1 - rt)[:, None] + grid[r1] * rt[:, None]
        return np.asarray(rows[:, c0] * (1 - ct) + rows[:, c1] * ct, dtype=np.float32)


def _between(
    start: int, length: int, cell: int, cells: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Neighbouring cells of each pixel along one axis, and the weight of the second."""
    position = np.clip((np.arange(start, start + length) + 0.5) / cell - 0.5, 0, cells - 1)
    first = np.minimum(position.astype(np.int64), max(cells - 2, 0))
    second = np.minimum(first + 1, cells - 1)
    return first, second, (position - first).astype(np.float32)


def check_name(name: str) -> None:
    """Refuse a scaling we do not have.

    Args:
        name: As given by the user.

    Raises:
        ValueError: Not one of :data:`SCALINGS`.
    """
    if name not in SCALINGS:
        raise ValueError(f"unknown scaling {name!r}: expected one of {', '.join(SCALINGS)}")


def fit_scaling(
    dsm: Num[np.ndarray, "height width"],
    valid: Bool[np.ndarray, "height width"] | None,
    name: str,
    gsd: float | None = None,
) -> Scaling:
    """Statistics of a whole tile held in memory.

    Args:
        dsm: Heights, in metres for ``ground``; a masked array holds no data where it is masked.
        valid: Pixels holding data; None means all that are finite.
        name: One of :data:`SCALINGS`.
        gsd: Metres per pixel, for ``ground``; None means 0.25.

    Returns:
        The scaling. A tile without a valid pixel gets one that returns zeros.

    Raises:
        ValueError: Unknown name, or shapes that differ.

    Example:
        >>> dsm = np.array([[10.0, 20.0], [30.0, -9999.0]])
        >>> fit_scaling(dsm, dsm > -9999, "minmax")(dsm, dsm > -9999).tolist()
        [[0.0, 0.5], [1.0, 0.0]]
    """
    check_name(name)
    if dsm.ndim != 2 or (valid is not None and valid.shape != dsm.shape):
        raise ValueError(
            f"expected heights and mask of one shape (height, width), got {dsm.shape} and "
            f"{None if valid is None else valid.shape}"
        )
    dsm, valid = split_mask(dsm, valid)
    usable = np.isfinite(dsm) if valid is None else valid & np.isfinite(dsm)
    if not usable.any():
        return Scaling(name, low=0.0, high=0.0)
    if name == "robust":
        low, high = np.percentile(dsm[usable], PERCENTILES)
        if low < high:
            return Scaling(name, low=float(low), high=float(high))
    if name in ("minmax", "robust"):
        return Scaling(name, low=float(dsm[usable].min()), high=float(dsm[usable].max()))
    cell = cell_size(dsm.shape[0], dsm.shape[1], gsd)
    return ground_scaling(reduce_cells(dsm, usable, cell), cell, gsd)


def cell_size(height: int, width: int, gsd: float | None) -> int:
    """Side of a ground cell in pixels: about a metre, larger where there would be too many.

    Args:
        height: Rows of the tile.
        width: Columns of the tile.
        gsd: Metres per pixel; None means 0.25.

    Returns:
        At least 1.
    """
    wanted = round(CELL_METRES / (gsd or DEFAULT_GSD))
    return max(1, wanted, int(np.ceil(np.sqrt(height * width / MAX_CELLS))))


def reduce_cells(
    dsm: Num[np.ndarray, "height width"], valid: Bool[np.ndarray, "height width"], cell: int
) -> Float[np.ndarray, "rows cols"]:
    """A low percentile of the heights in each cell.

    Args:
        dsm: Heights.
        valid: Pixels holding data.
        cell: Pixels along the side of a cell; the last row and column of cells may be cut.

    Returns:
        float32, NaN where a cell has no valid pixel.
    """
    height, width = dsm.shape
    padding = ((0, -height % cell), (0, -width % cell))
    filled = np.pad(
        np.where(valid, dsm, np.inf).astype(np.float32), padding, constant_values=np.inf
    )
    rows, cols = filled.shape[0] // cell, filled.shape[1] // cell
    cells = filled.reshape(rows, cell, cols, cell).swapaxes(1, 2).reshape(rows, cols, -1)
    cells.sort(axis=-1)  # missing pixels (infinity) go last
    count = np.isfinite(cells).sum(axis=-1)
    index = (np.maximum(count - 1, 0) * CELL_PERCENTILE / 100).astype(np.int64)
    low = np.take_along_axis(cells, index[..., None], axis=-1)[..., 0]
    return np.where(count > 0, low, np.float32(np.nan))


def ground_scaling(cells: Float[np.ndarray, "rows cols"], cell: int, gsd: float | None) -> Scaling:
    """The ground under the cells, as a scaling.

    Args:
        cells: Low heights per cell, NaN where missing.
        cell: Pixels along the side of a cell.
        gsd: Metres per pixel; None means 0.25.

    Returns:
        A scaling named ``ground``; of zeros if every cell is missing.
    """
    missing = np.isnan(cells)
    if missing.all():
        return Scaling("ground", low=0.0, high=0.0)
    if missing.any():
        nearest = ndimage.distance_transform_edt(
            missing, return_distances=False, return_indices=True
        )
        cells = cells[tuple(nearest)]
    size = max(3, round(OPENING_METRES / ((gsd or DEFAULT_GSD) * cell)))
    low = ndimage.minimum_filter(cells, size=size, mode="nearest")
    opened = ndimage.maximum_filter(low, size=size, mode="nearest")
    smooth = ndimage.uniform_filter(opened.astype(np.float32), size=size, mode="nearest")
    return Scaling("ground", ground=np.asarray(smooth, dtype=np.float32), cell=cell)
