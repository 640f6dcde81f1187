"""The procedural world of vehicles and number plates, which SamLP learns from."""

from __future__ import annotations

from mfnet_lite.world.plates.folders import write_plates
from mfnet_lite.world.plates.image import PlateConfig, PlateImage, make_plate_image
from mfnet_lite.world.plates.lettering import STYLES, PlateStyle, plate_texture

__all__ = [
    "STYLES",
    "PlateConfig",
    "PlateImage",
    "PlateStyle",
    "make_plate_image",
    "plate_texture",
    "write_plates",
]
