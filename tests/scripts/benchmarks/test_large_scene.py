"""The memory of a map does not depend on the size of its scene."""

from __future__ import annotations

import os
import sys

import numpy as np
import pytest
import rasterio

from scripts.benchmarks import large_scene

MIB = 2**20


@pytest.fixture
def keeps_nothing(monkeypatch):
    """What is freed is given back: glibc moves its thresholds while it runs, and keeps up to 40 MiB by chance."""
    monkeypatch.setenv("MALLOC_ARENA_MAX", "1")
    monkeypatch.setenv("MALLOC_MMAP_THRESHOLD_", "65536")
    monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", "65536")


def test_a_scene_of_patches(tmp_path):
    paths = large_scene.write_large(tmp_path, 700, quiet=True)
    with rasterio.open(paths["optical"]) as optical, rasterio.open(paths["dsm"]) as dsm:
        assert optical.shape == dsm.shape == (700, 700)
        assert optical.transform == dsm.transform
        assert optical.crs.to_epsg() == 25832
        assert optical.read().min() >= 1
        heights = dsm.read(1)
    assert 0 < (heights == large_scene.NODATA).sum() < heights.size / 10
    measured = heights[heights != large_scene.NODATA]
    assert 50 < measured.min() < measured.max() < 250
    assert not np.array_equal(heights[:180, :180], heights[512:692, 512:692])


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads what Linux counts")
def test_memory_does_not_grow_with_the_scene(tmp_path, keeps_nothing):
    options = ("--stride", "256", "--batch", "2")
    small, large = (large_scene.measure(size, tmp_path, options) for size in (700, 2000))
    held = "pixels_in_memory_if_whole_bytes"
    # eight times the pixels: held whole, images and logits would take 133 MiB more
    assert large[held] - small[held] > 133 * MIB
    assert large["peak_bytes"] - small["peak_bytes"] < 45 * MIB, (small, large)


def test_a_pair_of_patches(tmp_path):
    paths = large_scene.write_large_pair(tmp_path, 600, quiet=True)
    with rasterio.open(paths["before"]) as before, rasterio.open(paths["after"]) as after:
        assert before.shape == after.shape == (600, 600)
        assert before.transform == after.transform
        a, b = before.read(), after.read()
    assert a.min() >= 1
    assert 0.02 < (np.abs(a.astype(int) - b).max(axis=0) > 40).mean() < 0.9


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads what Linux counts")
def test_memory_does_not_grow_with_a_pair_of_dates(tmp_path, keeps_nothing):
    options = ("--stride", "256", "--batch", "2")
    small, large = (large_scene.measure(size, tmp_path, options, pair=True) for size in (512, 1280))
    held = "pixels_in_memory_if_whole_bytes"
    # six times the pixels: held whole, images and logits would take 42 MiB more
    assert large[held] - small[held] == 42 * MIB
    assert large["peak_bytes"] - small["peak_bytes"] < 20 * MIB, (small, large)


@pytest.mark.slow
@pytest.mark.skipif(
    "MFNET_LITE_LARGE" not in os.environ,
    reason="minutes and a gigabyte of disk: set MFNET_LITE_LARGE=1 to run it",
)
def test_a_scene_of_twelve_thousand_pixels_square(tmp_path):
    small, large = (
        large_scene.measure(size, tmp_path, ("--stride", "256")) for size in (3000, 12_000)
    )
    assert large["peak_bytes"] < 1.1 * small["peak_bytes"], (small, large)
