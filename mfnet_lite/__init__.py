"""mfnet_lite: fine-tuning foundation models for remote sensing, small enough to read.

The sub-packages follow the book: :mod:`mfnet_lite.sam` (the frozen model), :mod:`mfnet_lite.losses`,
:mod:`mfnet_lite.world` (procedural scenes), :mod:`mfnet_lite.rasters` (GeoTIFF),
:mod:`mfnet_lite.nets`, :mod:`mfnet_lite.training` and :mod:`mfnet_lite.scenes`. What a script needs
first stands here, and is imported on first use: ``import mfnet_lite`` does not load torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mfnet_lite.nets.registry import build_model, list_models
    from mfnet_lite.runs.folder import load_run
    from mfnet_lite.sam import load_sam
    from mfnet_lite.scenes.predict import predict_scene

__all__ = [
    "__version__",
    "build_model",
    "list_models",
    "load_run",
    "load_sam",
    "predict_scene",
]
__version__ = "0.1.0"

_HOMES = {
    "build_model": "nets.registry",
    "list_models": "nets.registry",
    "load_run": "runs.folder",
    "load_sam": "sam",
    "predict_scene": "scenes.predict",
}


def __getattr__(name: str) -> Any:
    """Import one of the names above when it is used."""
    if name in _HOMES:
        return getattr(import_module(f"mfnet_lite.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'mfnet_lite' has no attribute {name!r}")


def __dir__() -> list[str]:
    """Name what can be imported from here."""
    return sorted({*globals(), *__all__})
