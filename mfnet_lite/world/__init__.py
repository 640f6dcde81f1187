"""The procedural world: scene geometry, sensors, labels, two dates.

>>> from mfnet_lite.world import make_scene
>>> make_scene(seed=0, size=64).label.shape
(64, 64)
"""

from __future__ import annotations

from mfnet_lite.world.canvas import SceneObject
from mfnet_lite.world.change import Pair, make_pair
from mfnet_lite.world.config import (
    CLASSES,
    DOMAINS,
    IGNORE_INDEX,
    NODATA,
    PALETTE,
    SEASONS,
    WorldConfig,
)
from mfnet_lite.world.elevation import fill_holes
from mfnet_lite.world.layouts import write_folder, write_isprs, write_pairs
from mfnet_lite.world.plates import PlateConfig, PlatePicture, make_plate_picture
from mfnet_lite.world.plates_files import write_plates
from mfnet_lite.world.scene import Scene, make_scene

__all__ = [
    "CLASSES",
    "DOMAINS",
    "IGNORE_INDEX",
    "NODATA",
    "PALETTE",
    "SEASONS",
    "Pair",
    "PlateConfig",
    "PlatePicture",
    "Scene",
    "SceneObject",
    "WorldConfig",
    "fill_holes",
    "make_pair",
    "make_plate_picture",
    "make_scene",
    "write_folder",
    "write_isprs",
    "write_pairs",
    "write_plates",
]
