"""What ``evaluate`` reads: the bands that the run was trained on, of every sensor."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from mfnet_lite.cli.evaluate import _opened, _policy_words
from mfnet_lite.rasters import SensorInfo, WholeTiles, read_raster, write_raster
from mfnet_lite.runs.data import channels_of
from mfnet_lite.runs.folder import RunConfig
from tests.rasters.readers.image_sets import make_mf_street, split_channels


def trained(**select: tuple[int, ...] | None) -> RunConfig:
    """What a run remembers of its sensors, in their order."""
    infos = {name: SensorInfo(name, select=bands) for name, bands in select.items()}
    return RunConfig(
        "unet",
        {},
        {name: len(bands or (1,)) for name, bands in select.items()},
        {name: asdict(info) for name, info in infos.items()},
        ("a", "b"),
        ((0, 0, 0), (1, 1, 1)),
        scaling="minmax",
    )


@pytest.fixture
def folder(tmp_path) -> Path:
    rng = np.random.default_rng(0)
    for split in ("train", "test"):
        image = rng.integers(1, 255, (3, 32, 32), dtype=np.uint8)
        dsm = rng.uniform(100, 110, (1, 32, 32)).astype(np.float32)
        write_raster(tmp_path / "d" / split / "image" / "a.tif", image)
        write_raster(tmp_path / "d" / split / "dsm" / "a.tif", dsm)
        write_raster(tmp_path / "d" / split / "label" / "a.tif", (image[2] > 128).astype(np.uint8))
    (tmp_path / "d" / "dataset.json").write_text(json.dumps({"classes": ["a", "b"]}))
    return tmp_path / "d"


@pytest.mark.parametrize("order", [("dsm", "optical"), ("optical", "dsm")])
def test_bands_of_the_run_wherever_the_image_stands(folder, order):
    config = trained(**{name: {"optical": (3, 1), "dsm": None}[name] for name in order})
    dataset = _opened(folder, "auto", order, config, "test")
    sample = WholeTiles(dataset.tiles("test"), order, "minmax")[0]
    image = read_raster(folder / "test" / "image" / "a.tif").array
    np.testing.assert_allclose(sample["optical"].numpy(), image[[2, 0]] / 255, atol=1e-6)
    assert sample["dsm"].shape == (1, 32, 32)


def test_bands_of_another_sensor_too(folder):
    bands = np.stack([np.zeros((32, 32)), np.arange(1024).reshape(32, 32)]).astype(np.float32)
    for split in ("train", "test"):
        write_raster(folder / split / "sar" / "a.tif", bands)
    config = trained(optical=None, sar=(2,))
    dataset = _opened(folder, "auto", ("optical", "sar"), config, "test")
    sar = WholeTiles(dataset.tiles("test"), ("optical", "sar"), "minmax")[0]["sar"].numpy()
    assert sar.shape == (1, 32, 32)
    assert sar.max() > 0.9  # the first band is 0 everywhere


def test_a_band_of_shared_files_that_has_files_of_its_own_here(tmp_path):
    published = make_mf_street(tmp_path / "published")
    own = split_channels(published, tmp_path / "own")
    names = ("optical", "thermal")
    config = trained(optical=(3, 2, 1), thermal=(4,))
    for colours, heat, root in (
        (published / "images/00005D.png", published / "images/00005D.png", published),
        (own / "RGB/00005D.jpg", own / "Modal/00005D.png", own),
    ):
        image, thermal = (read_raster(path).array / 255 for path in (colours, heat))
        tiles = _opened(root, "auto", names, config, "test").tiles("test")
        sample = WholeTiles([tile for tile in tiles if tile.id == "00005D"], names)[0]
        np.testing.assert_allclose(sample["optical"].numpy(), image[[2, 1, 0]], atol=1e-6)
        np.testing.assert_allclose(sample["thermal"].numpy(), thermal[-1:], atol=1e-6)


def test_bands_that_are_not_there_are_named(folder):
    dataset = _opened(folder, "auto", ("optical",), trained(optical=(4, 1)), "test")
    with pytest.raises(ValueError, match=r"a\.tif has 3 bands, but bands \(4, 1\)"):
        channels_of(dataset, "test")


def test_the_pixels_that_count_are_told_in_english():
    said = [_policy_words("any", names) for names in (("a",), ("a", "b"), ("a", "b", "c"))]
    assert [words.partition(",")[0] for words in said[:2]] == [
        "where a has data",
        "where both a and b have data",
    ]
    assert said[2].startswith("where all of a, b, c have data")
