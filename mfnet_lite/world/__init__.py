"""The procedural world: scene geometry, sensors, labels, captions, two dates.

>>> from mfnet_lite.world import make_scene
>>> make_scene(seed=0, size=64).label.shape
(64, 64)
"""

from __future__ import annotations

from mfnet_lite.world.canvas import SceneObject
from mfnet_lite.world.caption_words import (
    CLASS_WORDS,
    HELD_OUT_CLASS_NAMES,
    HELD_OUT_KINDS,
    KIND_WORDS,
    Words,
    class_phrases,
)
from mfnet_lite.world.captions import (
    Region,
    View,
    describe,
    describe_regions,
    view_of,
)
from mfnet_lite.world.config import (
    CLASSES,
    DOMAINS,
    IGNORE_INDEX,
    NODATA,
    PALETTE,
    SEASONS,
    WorldConfig,
)
from mfnet_lite.world.layouts import write_folder, write_isprs, write_pairs
from mfnet_lite.world.plates import PlateConfig, PlateImage, make_plate_image, write_plates
from mfnet_lite.world.scene import Scene, make_scene
from mfnet_lite.world.surface_model import fill_holes
from mfnet_lite.world.two_dates import Pair, make_pair

__all__ = [
    "CLASSES",
    "CLASS_WORDS",
    "DOMAINS",
    "HELD_OUT_CLASS_NAMES",
    "HELD_OUT_KINDS",
    "IGNORE_INDEX",
    "KIND_WORDS",
    "NODATA",
    "PALETTE",
    "SEASONS",
    "Pair",
    "PlateConfig",
    "PlateImage",
    "Region",
    "Scene",
    "SceneObject",
    "View",
    "Words",
    "WorldConfig",
    "class_phrases",
    "describe",
    "describe_regions",
    "fill_holes",
    "make_pair",
    "make_plate_image",
    "make_scene",
    "view_of",
    "write_folder",
    "write_isprs",
    "write_pairs",
    "write_plates",
]
