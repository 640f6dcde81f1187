"""The made data set in ``data/`` is small and is what today's world makes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import rasterio

from mfnet_lite.world import make_pair, make_scene

DATA = Path(__file__).parents[2] / "data"


def read(path: Path) -> np.ndarray:
    with rasterio.open(path) as file:
        return np.asarray(file.read())


def test_it_is_small_and_complete() -> None:
    assert sum(p.stat().st_size for p in DATA.rglob("*") if p.is_file()) < 8 * 2**20
    assert len(list(DATA.glob("scenes/*/*/*.tif"))) == 8 * 8
    assert len(list(DATA.glob("pairs/*/*/*.tif"))) == 4 * 3


def test_it_is_what_the_world_makes_today() -> None:
    # Not byte for byte: other processors round the last digit of a sine differently.
    scene = make_scene(2106, size=256)
    stored = read(DATA / "scenes/test/label/scene_02106.tif")[0]
    assert (stored == scene.label).mean() > 0.999
    gap = np.abs(read(DATA / "scenes/test/image/scene_02106.tif").astype(int) - scene.optical[:3])
    assert gap.mean() < 0.1
    pair = make_pair(2203, size=256)
    changed = read(DATA / "pairs/test/label/pair_02203.tif")[0] > 0
    assert (changed == pair.change).mean() > 0.999
