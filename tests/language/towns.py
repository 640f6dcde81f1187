"""Scenes of the world for tests of what is said about them, and what is in them, counted afresh."""

from __future__ import annotations

from functools import cache

import numpy as np

from mfnet_lite.language.visible_objects import NOUNS
from mfnet_lite.world import make_scene
from mfnet_lite.world.captions import View, view_of
from mfnet_lite.world.scene import Scene

SEEDS = (0, 1, 2, 3, 5, 7, 10, 11)


@cache
def scene(seed: int) -> Scene:
    return make_scene(seed, 128)


@cache
def view(seed: int) -> View:
    """A whole scene, or of odd seeds a window that is not square."""
    return view_of(scene(seed), (slice(20, 116), slice(0, 128)) if seed % 2 else None)


def masks(seen: View, noun: str) -> dict[int, np.ndarray]:
    """Visible pixels of every instance of a noun, however small."""
    kinds = [kind for kind, name in NOUNS.items() if name == noun]
    return {
        number: seen.instances == number
        for number in np.unique(seen.instances).tolist()
        if number and seen.kinds[number] in kinds
    }


def edges(mask: np.ndarray) -> tuple[int, int, int, int]:
    rows, cols = np.nonzero(mask)
    return cols.min(), rows.min(), cols.max() + 1, rows.max() + 1
