"""mfnet_lite: fine-tuning foundation models for remote sensing, small enough to read.

The sub-packages follow the book: :mod:`mfnet_lite.sam` (the frozen model), :mod:`mfnet_lite.losses`,
:mod:`mfnet_lite.world` (procedural scenes), :mod:`mfnet_lite.rasters` (GeoTIFF),
:mod:`mfnet_lite.nets`, :mod:`mfnet_lite.training` and :mod:`mfnet_lite.scenes.predict`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mfnet_lite.sam import load_sam

__all__ = ["__version__", "load_sam"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Import :func:`load_sam` on first use, so that ``import mfnet_lite`` does not load torch."""
    if name == "load_sam":
        from mfnet_lite.sam import load_sam

        return load_sam
    raise AttributeError(f"module 'mfnet_lite' has no attribute {name!r}")
