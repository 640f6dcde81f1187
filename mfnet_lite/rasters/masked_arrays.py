"""Arrays that carry a mask of their own, as ``rasterio`` reads them with ``masked=True``.

Functions of NumPy, SciPy and PyTorch part into those that honour such a mask and those that take the numbers below it
for data: a mean honours it, a percentile and a tensor do not. So the mask is taken off where an array comes in.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Shaped

__all__ = ["split_mask"]


def split_mask(
    array: Shaped[np.ndarray, "*shape"], valid: Bool[np.ndarray, "*shape"] | None = None
) -> tuple[Shaped[np.ndarray, "*shape"], Bool[np.ndarray, "*shape"] | None]:
    """Part an array into its numbers and its mask.

    Args:
        array: With or without a mask.
        valid: Where it holds data, as far as that is known otherwise; None if it is not.

    Returns:
        A plain array, and where it holds data: in ``valid`` and not masked. None if nobody says.

    Example:
        >>> heights = np.ma.masked_equal([[10.0, -9999.0]], -9999.0)
        >>> numbers, valid = split_mask(heights)
        >>> numbers.tolist(), valid.tolist()
        ([[10.0, -9999.0]], [[True, False]])
    """
    if not isinstance(array, np.ma.MaskedArray):
        return array, valid
    unmasked = ~np.ma.getmaskarray(array)
    return array.data, unmasked if valid is None else valid & unmasked
