"""Some tiles have a band more than others, since a program added opacity.

Situations: weecology/DeepForest#392 and weecology/DeepForest-pytorch#59.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mfnet_lite.rasters import check_dataset, write_raster
from tests.real_files.makers import TINY, call


def tile(home: Path, name: str, bands: int, side: int = 32) -> Path:
    rng = np.random.default_rng(0)
    write_raster(home / "label" / name, rng.integers(0, 2, (side, side)).astype(np.uint8))
    return write_raster(home / "image" / name, rng.integers(0, 256, (bands, side, side), np.uint8))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for split, count in (("train", 3), ("val", 1), ("test", 2)):
        for k in range(count):
            tile(tmp_path / "data" / split, f"t{k}.tif", 3)
    (tmp_path / "data" / "dataset.json").write_text('{"classes": ["ground", "roof"]}')
    return tmp_path / "data"


@pytest.mark.parametrize(("split", "name"), [("train", "t1.tif"), ("val", "t0.tif")])
def test_training_says_so_in_one_sentence_as_data_check_does(data, tmp_path, split, name):
    odd = tile(data / split, name, 4)
    result = call("train", data, "--out", tmp_path / "run", "--steps", 1, *TINY)
    assert result.exit_code == 1
    assert result.exception is None or isinstance(result.exception, SystemExit)
    (line,) = result.stderr.splitlines()
    assert line.startswith(
        f"error: {odd}: wrong band count: 4 bands, expected 3 for optical; write the"
    )
    assert not (tmp_path / "run").exists()
    (problem,) = check_dataset(data, progress=False).problems
    assert str(problem).startswith(f"{odd}: wrong band count: 4 bands, expected 3 for optical; ")
    # the remedy: choose bands that all have
    chosen = call("train", data, "--out", tmp_path / "run", "--steps", 1, *TINY, "--bands", "1,2,3")
    assert chosen.exit_code == 0, chosen.output


def test_scoring_says_so(data, tmp_path):
    assert call("train", data, "--out", tmp_path / "run", "--steps", 1, *TINY).exit_code == 0
    odd = tile(data / "test", "t1.tif", 4)
    result = call("evaluate", tmp_path / "run", data, "--device", "cpu")
    assert result.exit_code == 1
    assert f"{odd}: wrong band count: 4 bands, expected 3" in result.stderr


def test_both_dates(tmp_path):
    home = tmp_path / "pairs" / "train"
    for k in range(3):
        for date in "AB":
            bands = 4 if (k, date) == (2, "B") else 3
            write_raster(home / date / f"p{k}.tif", np.ones((bands, 32, 32), np.uint8))
        write_raster(home / "label" / f"p{k}.tif", np.eye(32, dtype=np.uint8) * 255)
    result = call("train", tmp_path / "pairs", "--out", tmp_path / "run", "--steps", 1, *TINY)
    assert result.exit_code == 1
    assert "p2.tif: wrong band count: 4 bands, expected 3 for after" in result.stderr
