"""WHU-OPT-SAR: whole scenes are held out, windows are read, tens are classes."""

from __future__ import annotations

import json

import numpy as np
import pytest
import rasterio
import torch
from rasterio.enums import ColorInterp
from typer.testing import CliRunner

from mfnet_lite.cli import app
from mfnet_lite.rasters import (
    RandomCrops,
    WholeTiles,
    check_dataset,
    detect_kind,
    open_dataset,
    open_whu_opt_sar,
    read_raster,
    write_raster,
)
from mfnet_lite.rasters.datasets import tile_reader
from mfnet_lite.rasters.readers.whu_opt_sar import CLASSES, PALETTE
from mfnet_lite.utils.labels import IGNORE_INDEX
from tests.rasters.readers.image_sets import grid, make_whu_opt_sar, write_list


@pytest.fixture
def scenes(tmp_path):
    return make_whu_opt_sar(tmp_path / "whu-opt-sar")


def test_the_published_folders(scenes):
    data = open_dataset(scenes)
    assert (data.kind, data.info.classes, data.info.gsd) == ("whu_opt_sar", CLASSES, 5.0)
    assert len(PALETTE) == len(CLASSES) == 7
    assert {name: s.kind for name, s in data.info.sensors.items()} == {
        "optical": "optical",
        "sar": "radar",
    }
    assert check_dataset(scenes).ok
    tile = data.tiles("test")[0]
    sample = WholeTiles([tile])[0]
    label = read_raster(tile.label).array[0].astype(np.int64)
    expected = np.where(label == 0, IGNORE_INDEX, label // 10 - 1)
    assert torch.equal(sample["label"], torch.from_numpy(expected))
    # the file has blue, green, red, near infrared
    assert [round(255 * float(v)) for v in sample["optical"][:, 0, 0]] == [
        30 + label[0, 0] // 10,
        20 + label[0, 0] // 10,
        10 + label[0, 0] // 10,
    ]


def test_near_infrared_on_request(scenes):
    data = open_dataset(scenes, optical_bands=(3, 2, 1, 4))
    sample = WholeTiles(data.tiles("test"))[0]
    assert sample["optical"].shape[0] == 4
    assert float(sample["optical"][3].min()) >= 200 / 255


def test_whole_scenes_are_held_out_and_the_seed_does_not_move_the_test(tmp_path):
    many = make_whu_opt_sar(tmp_path / "many", scenes=15, size=(8, 8))
    opened = [open_whu_opt_sar(many, seed=seed) for seed in range(4)]
    tests = {tuple(tile.id for tile in data.tiles("test")) for data in opened}
    assert len(tests) == 1
    assert len(next(iter(tests))) == 3
    assert len({tuple(tile.id for tile in data.tiles("val")) for data in opened}) > 1
    for data in opened:
        named = [tile.id for tiles in data.splits.values() for tile in tiles]
        assert len(named) == len(set(named)) == 15
    assert "3 of 15 whole scenes, chosen by a hash of their names" in opened[0].notes[0]
    single = make_whu_opt_sar(tmp_path / "single", scenes=1)
    assert open_dataset(single).notes[0] == "a single scene: there is no split test"


def test_lists_and_split_folders(scenes, tmp_path):
    names = sorted(path.stem for path in (scenes / "sar").iterdir())
    for split, chosen in (("train", names[:3]), ("val", names[3:4]), ("test", names[4:])):
        write_list(scenes / f"{split}.txt", [f"optical\\{name}.tif" for name in chosen], "\r\n")
    data = open_dataset(scenes)
    assert [tile.id for tile in data.tiles("test")] == names[4:]
    assert not data.notes
    for split in ("train", "test"):
        make_whu_opt_sar(tmp_path / "patches" / split, scenes=2, optical="opt")
    divided = open_dataset(tmp_path / "patches", val_fraction=0)
    assert divided.kind == "whu_opt_sar"
    assert {split: len(tiles) for split, tiles in divided.splits.items()} == {"train": 2, "test": 2}


def test_the_first_version_called_its_folder_image(tmp_path):
    old = make_whu_opt_sar(tmp_path / "old", optical="image")
    assert detect_kind(old) == "whu_opt_sar"
    assert check_dataset(old).ok
    (old / "label").mkdir()
    assert detect_kind(old) == "folder"
    (old / "optical").mkdir()
    with pytest.raises(ValueError, match="holds image/ and optical/: expected one of them"):
        open_whu_opt_sar(old)


def test_near_infrared_that_passes_for_opacity_hides_nothing(scenes):
    """Most writers mark the fourth of four bytes as opacity."""
    for index, path in enumerate(sorted((scenes / "optical").iterdir())):
        bands = read_raster(path).array
        bands[3] = np.arange(bands.shape[2]) % 2 * 255
        path.unlink()
        write_rgba(path, bands, index)
    assert check_dataset(scenes).ok
    sample = WholeTiles(open_dataset(scenes).tiles("test"), valid=True, nodata_policy="any")[0]
    assert sample["valid"].all()
    assert (sample["optical"] > 0).all()


def write_rgba(path, bands, index):
    with rasterio.open(
        path, "w", driver="GTiff", count=4, dtype="uint8", height=bands.shape[1], width=bands.shape[2],
        crs="EPSG:32649", transform=grid(index),
    ) as target:  # fmt: skip
        target.colorinterp = (
            ColorInterp.red,
            ColorInterp.green,
            ColorInterp.blue,
            ColorInterp.alpha,
        )
        target.write(bands)


def test_only_windows_are_read(tmp_path, monkeypatch):
    """A crop of a scene asks for as many pixels as it has, at no time for the scene."""
    large = make_whu_opt_sar(tmp_path / "large", scenes=2, size=(600, 700))
    asked: list[int] = []
    plain = tile_reader.read_window

    def counting(source, path, window=None, bands=None):
        assert window is not None
        asked.append(window.height * window.width)
        return plain(source, path, window, bands)

    monkeypatch.setattr(tile_reader, "read_window", counting)
    crops = RandomCrops(open_dataset(large, val_fraction=0).tiles("train"), 32, length=4)
    for sample in crops:
        assert sample["sar"].shape == (1, 32, 32)
    assert max(asked) == 32 * 32


def test_sixteen_bits_ask_for_their_range(scenes):
    for path in (scenes / "sar").iterdir():
        raster = read_raster(path)
        write_raster(path, raster.array.astype(np.uint16) * 10, crs=raster.crs, transform=raster.transform)  # fmt: skip
    assert any(
        '"sensors": {"sar": {"scale": 10000}}' in str(p) for p in check_dataset(scenes).problems
    )
    (scenes / "dataset.json").write_text(json.dumps({"sensors": {"sar": {"scale": 2550}}}))
    assert check_dataset(scenes).ok


def test_faults_are_named(scenes):
    first, second, third, *_ = sorted((scenes / "lbl").iterdir())
    (scenes / "sar" / first.name).unlink()
    write_raster(second, np.full((1, 40, 50), 10, np.uint8))
    write_raster(third, np.full((1, 40, 56), 3, np.uint8))
    said = [str(problem) for problem in check_dataset(scenes).problems]
    for words in (
        "missing partner: no sar of this name",
        "40 x 50 pixels instead of 40 x 56",
        "unknown label value: 3 (2240 px)",
    ):
        assert any(words in line for line in said), (words, said)
    with pytest.raises(FileNotFoundError, match="is not WHU-OPT-SAR"):
        open_whu_opt_sar(scenes / "sar")


def test_the_command_line_trains_scores_and_maps(scenes, tmp_path):
    def call(*arguments: object) -> str:
        result = CliRunner().invoke(app, [str(a) for a in arguments])
        assert result.exit_code == 0, result.output
        return result.stdout

    run = tmp_path / "run"
    call(
        "train", scenes, "--model", "unet", "--sensors", "optical,sar", "--width", 2, "--depth", 1,
        "--size", 16, "--batch", 2, "--steps", 2, "--device", "cpu", "--out", run, "--seed", 5,
    )  # fmt: skip
    result = CliRunner().invoke(app, ["evaluate", str(run), str(scenes), "--json"])
    assert set(json.loads(result.stdout)["per_class"]) == set(CLASSES)
    assert "warning" not in result.stderr  # no tile of the test was learnt from
    name = next((scenes / "sar").iterdir()).name
    call(
        "predict", run, "--optical", scenes / "optical" / name, "--sensor", f"sar={scenes / 'sar' / name}",
        "--out", tmp_path / "map.tif",
    )  # fmt: skip
    assert read_raster(tmp_path / "map.tif").array.max() < 7
    lone = CliRunner().invoke(
        app,
        [
            *("predict", str(run)),
            "--optical",
            str(scenes / "optical" / name),
            "--out",
            str(tmp_path / "no.tif"),
        ],
    )
    assert lone.exit_code == 1
    assert "no raster was given for sar; add --sensor sar=FILE" in lone.stderr
