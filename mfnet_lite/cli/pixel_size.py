"""Whether the pixels of a scene are as wide as those of the training."""

from __future__ import annotations

import math
import shlex
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from mfnet_lite.rasters import RasterInfo

RATIO = (0.8, 1.25)
"""Pixels of a scene over those of the training that need no remark."""


def compare_gsd(
    info: RasterInfo, trained: float | None, known: float | None, measured: bool = False
) -> None:
    """Remark that pixels are much wider or narrower than those of the training.

    Args:
        info: A raster of the scene.
        trained: Width of the pixels of the training in metres, if it is known.
        known: What the dataset says of this scene.
        measured: Whether that was measured in another raster, and not stated.
    """
    from mfnet_lite.rasters.raster_content import more_than_pixels
    from mfnet_lite.rasters.remedy import advice

    width = info.ground_sampling(known, measured)
    if not width or not trained or RATIO[0] < width / trained < RATIO[1]:
        return
    remedy = f"warp it to pixels of {trained:g} m first, or expect a poorer map"
    if info.transform is not None and info.gsd and info.crs is not None:
        # warping wants the units of the coordinate system, which may be feet or degrees
        units = trained * math.hypot(info.transform.a, info.transform.d) / info.gsd
        remedy = (
            f"resample the scene: rio warp {shlex.quote(str(info.path))} NEW.tif --res {units:g}"
        )
        if more_than_pixels(info.path):
            line = advice("resample", info.path, res=float(f"{units:g}"))
            remedy = f"resample the scene, in Python: {line}"
    typer.echo(
        f"note: the pixels of {info.path} are {width:.3g} m wide, those of the training were {trained:g} m; {remedy}",
        err=True,
    )
