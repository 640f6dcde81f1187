"""What the situations of this folder have in common: small rasters, datasets of three tiles, the command line."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.transform import Affine
from typer.testing import CliRunner

from mfnet_lite.cli import app
from mfnet_lite.rasters import write_raster

PLACE = Affine(0.25, 0, 500_000, 0, -0.25, 5_800_000)
WHERE: dict[str, Any] = {"crs": "EPSG:25832", "transform": PLACE}
TINY = (
    *("--width", 2, "--depth", 1, "--size", 16, "--batch", 2),
    *("--jitter", 0, "--device", "cpu"),
)
SHORT = (
    *("--model", "unet", "--width", 2, "--depth", 2, "--size", 16, "--batch", 1),
    *("--steps", 2, "--device", "cpu"),
)
"""Options of the smallest trainings that there are."""


def call(*arguments: object):
    """Run the command line."""
    return CliRunner().invoke(app, [str(a) for a in arguments])


def succeeded(*arguments: object):
    """Run the command line, which has to end well."""
    result = call(*arguments)
    assert result.exit_code == 0, result.output
    return result


def refused(result, *words: str) -> None:
    """One sentence on stderr with these words, and no traceback."""
    assert result.exit_code == 1, result.output
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    for word in words:
        assert word in line


def tif(path: Path, array: np.ndarray, **header: Any) -> Path:
    """A GeoTIFF of the package's own, in the common place unless the header says otherwise."""
    return write_raster(path, array, **(WHERE | header))


def save(
    path: Path,
    array: np.ndarray,
    crs: str = "EPSG:25832",
    nodata: float | None = None,
    profile: Mapping[str, Any] | None = None,
    **tags: Any,
) -> Path:
    """A GeoTIFF with scales, offsets, units or colour interpretation as tags."""
    array = array if array.ndim == 3 else array[None]
    path.parent.mkdir(parents=True, exist_ok=True)
    options = {
        "driver": "GTiff", "height": array.shape[1], "width": array.shape[2], "count": len(array),
        "dtype": array.dtype.name, "crs": crs, "transform": PLACE, "nodata": nodata,
    }  # fmt: skip
    with rasterio.open(path, "w", **options | dict(profile or {})) as out:
        for name, value in tags.items():
            setattr(out, name, value)
        out.write(array)
    return path


def three_tiles(
    root: Path, write: Callable[[Path, str, int], object], stated: Mapping[str, Any] | None
) -> Path:
    """Two training tiles and one test tile: ``write(folder of the split, name of the file, number)`` each."""
    for number, (split, name) in enumerate((("train", "a"), ("train", "b"), ("test", "c"))):
        write(root / split, f"{name}.tif", number)
    if stated is not None:
        (root / "dataset.json").write_text(json.dumps(stated))
    return root
