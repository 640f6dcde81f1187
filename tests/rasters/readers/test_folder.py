from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from rasterio.transform import Affine

from mfnet_lite.rasters import (
    WholeTiles,
    check_dataset,
    open_folder,
    raster_info,
    read_raster,
    write_raster,
)


def test_folders_become_sensors(dataset):
    for split, name in (("train", "t0"), ("test", "s0")):
        for folder in ("sar", "instances", "label_eroded"):
            write_raster(dataset / split / folder / f"{name}.tif", np.zeros((40, 48), np.float32))
    data = open_folder(dataset, ("optical", "dsm"))
    assert list(open_folder(dataset).info.sensors) == ["optical", "dsm", "sar"]
    assert list(data.info.sensors) == ["optical", "dsm"]
    assert data.info.classes == ("road", "building", "tree")
    assert data.info.gsd == 0.25
    assert [tile.id for tile in data.tiles("test")] == ["s0", "s1"]
    assert list(data.tiles("test")[0].files) == ["optical", "dsm"]


def test_validation_is_held_out_by_seed(dataset):
    names = {
        seed: [tile.id for tile in open_folder(dataset, seed=seed).tiles("val")]
        for seed in range(12)
    }
    assert all(len(found) == 1 for found in names.values())
    assert len({found[0] for found in names.values()}) > 1
    data = open_folder(dataset, seed=3)
    assert [tile.id for tile in data.tiles("val")] == names[3]
    both = {tile.id for tile in data.tiles("train")} | {tile.id for tile in data.tiles("val")}
    assert both == {f"t{i}" for i in range(5)}
    assert len(data.tiles("train")) == 4
    assert len(open_folder(dataset, val_fraction=0).tiles("train")) == 5


def test_own_val_folder_is_used(dataset):
    shutil.copytree(dataset / "test", dataset / "val")
    assert [tile.id for tile in open_folder(dataset).tiles("val")] == ["s0", "s1"]
    assert len(open_folder(dataset).tiles("train")) == 5


def test_no_split_folders_serve_for_all(dataset):
    data = open_folder(dataset / "train")
    for split in ("train", "val", "test", "all"):
        assert len(data.tiles(split)) == 5


def test_single_training_tile_says_so(dataset):
    for path in (dataset / "train").glob("*/t[1-4].tif"):
        path.unlink()
    data = open_folder(dataset)
    assert data.tiles("train") == data.tiles("val")
    assert "only training tile" in data.notes[-1]


def test_missing_partner_names_the_file(dataset):
    (dataset / "train" / "dsm" / "t2.tif").unlink()
    data = open_folder(dataset)
    with pytest.raises(FileNotFoundError, match=r"t2\.tif: missing partner: no dsm of this name"):
        data.tiles("train")
    assert len(data.tiles("test")) == 2
    assert len(open_folder(dataset, ["optical"]).tiles("train")) == 4


def test_refusals(dataset, tmp_path):
    with pytest.raises(FileNotFoundError, match="has no sensor 'sar': found optical, dsm"):
        open_folder(dataset, ["sar"])
    with pytest.raises(ValueError, match="no tiles in the split 'unlabelled'"):
        open_folder(dataset).tiles("unlabelled")
    with pytest.raises(FileNotFoundError, match="is no folder dataset"):
        open_folder(tmp_path)
    with pytest.raises(ValueError, match="validation fraction"):
        open_folder(dataset, val_fraction=1.5)
    (dataset / "dataset.json").write_text("{")
    with pytest.raises(ValueError, match="is not valid JSON"):
        open_folder(dataset)


def test_classes_are_counted_without_json(dataset):
    (dataset / "dataset.json").unlink()
    data = open_folder(dataset)
    assert data.info.classes == ("class 0", "class 1", "class 2")
    assert "name them" in data.notes[0]


def test_json_describes_sensors(dataset):
    stated = {
        "classes": ["a", "b", "c"],
        "palette": [[1, 2, 3], [4, 5, 6], [7, 8, 9]],
        "sensors": {
            "height": {"folder": "dsm", "bands": 1, "dtype": "float32", "unit": "m"},
            "optical": {"folder": "image", "bands": ["R", "G", "B", "NIR"]},
        },
        "gsd_m": 0.5,
        "anything": {"else": 1},
    }
    (dataset / "dataset.json").write_text(json.dumps(stated))
    info = open_folder(dataset, optical_bands=(4, 1, 2)).info
    assert info.sensors["height"].is_height
    assert info.sensors["optical"].names == ("R", "G", "B", "NIR")
    assert info.sensors["optical"].select == (4, 1, 2)
    assert info.palette == ((1, 2, 3), (4, 5, 6), (7, 8, 9))
    assert info.gsd == 0.5


@pytest.mark.parametrize("stated", [None, 1.0])
def test_a_width_measured_in_one_tile_is_not_that_of_another(tmp_path, stated):
    """Transforms without a coordinate system: pixels of 1 m in the first tile, of 0.1 m in the second."""
    house = np.full((128, 128), 100, np.float32)
    house[30:95, 30:95] = 115  # 65 m wide, which is ground, or 6.5 m, which is none
    for name, width in (("a", 1.0), ("b", 0.1)):
        place = Affine(width, 0, 5e5, 0, -width, 5.5e6)
        for folder, array in (
            ("image", np.ones((3, 128, 128), np.uint8)),
            ("dsm", house),
            ("label", (house > 110).astype(np.uint8)),
        ):
            write_raster(tmp_path / "train" / folder / f"{name}.tif", array, transform=place)
    about = {"classes": ["ground", "house"]} | ({"gsd_m": stated} if stated else {})
    (tmp_path / "dataset.json").write_text(json.dumps(about))
    data = open_folder(tmp_path, val_fraction=0)
    assert (data.info.gsd, data.info.gsd_measured) == (1.0, stated is None)
    tiles = data.tiles("train")
    widths = [data.info.width_of(raster_info(tile.files["dsm"])) for tile in tiles]
    assert widths == ([1, 1] if stated else [1, pytest.approx(0.1)])
    samples = WholeTiles(tiles)
    assert samples[0]["dsm"][0, 55, 55] < 0.1
    roof = samples[1]["dsm"][0, 55, 55]
    assert roof == (pytest.approx(0.5) if stated is None else samples[0]["dsm"][0, 55, 55])


def test_labels_in_colours_of_the_stated_palette(dataset):
    colours = np.array([[255, 0, 0], [0, 0, 255], [9, 8, 7], [0, 0, 0]], np.uint8)
    kept = {}
    for path in dataset.glob("*/label/*.tif"):
        label = read_raster(path).array[0]
        kept[path.stem] = label
        write_raster(path, colours[np.where(label == 255, 3, label)].transpose(2, 0, 1))
    with pytest.raises(ValueError, match=r"got 3 that differ; .*\"palette\" in dataset\.json"):
        WholeTiles(open_folder(dataset).tiles("test"))[0]
    stated = json.loads((dataset / "dataset.json").read_text())
    write = (dataset / "dataset.json").write_text
    write(json.dumps(stated | {"palette": colours[:3].tolist()}))
    assert check_dataset(dataset).ok
    tile = open_folder(dataset).tiles("test")[1]
    np.testing.assert_array_equal(WholeTiles([tile])[0]["label"].numpy(), kept["s1"])
    write(json.dumps(stated | {"palette": colours[:2].tolist()}))
    with pytest.raises(ValueError, match=r"2 colours in palette for 3 classes"):
        open_folder(dataset)


def test_classes_are_a_list_of_names(dataset):
    with pytest.raises(ValueError, match="classes is the string 'road'"):
        open_folder(dataset, classes="road")


@pytest.mark.parametrize("name", ["ign_ortho_lidar", "rstoolbox_sen2"])
def test_real_tiles_have_the_stated_pixels(realdata, name):
    data = open_folder(realdata / name, val_fraction=0)
    stated = json.loads((realdata / name / "dataset.json").read_text())["pixels_per_class"]
    for split in ("train", "test"):
        tiles = WholeTiles(data.tiles(split))
        labels = np.concatenate([tiles[i]["label"].numpy().ravel() for i in range(len(tiles))])
        values, counts = np.unique(labels, return_counts=True)
        assert {str(v): int(n) for v, n in zip(values, counts, strict=True)} == stated[split]
