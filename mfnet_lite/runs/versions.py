"""Which software made a run."""

from __future__ import annotations

import platform
from importlib.metadata import version

import mfnet_lite


def versions() -> dict[str, str]:
    """Versions of Python and of the libraries that decide about numbers."""
    names = ("torch", "numpy", "rasterio", "lightning-fabric", "segment-anything")
    return {
        "mfnet_lite": mfnet_lite.__version__,
        "python": platform.python_version(),
        **{name: version(name) for name in names},
    }
