"""Label files as people have them: situations of public threads, made anew by each test, with the right value."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import rasterio
from PIL import Image

from mfnet_lite.rasters import (
    WholeTiles,
    check_dataset,
    open_dataset,
    open_potsdam,
)
from mfnet_lite.rasters.readers.isprs import PALETTE
from tests.real_files.makers import SHORT, call, refused, three_tiles, tif

N = 32


def classes(seed: int, highest: int = 2) -> np.ndarray:
    """A label with all classes, the first the most frequent."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, 2, (N, N), np.uint8) * rng.integers(0, highest + 1, (N, N), np.uint8)


def image(seed: int, bands: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).integers(1, 255, (bands, N, N), np.uint8)


def dataset(root: Path, write, stated: dict | None = None) -> Path:
    """Two training tiles and one test tile; ``write(folder of labels, name, label)`` writes the labels."""

    def write_tile(folder: Path, name: str, k: int) -> None:
        tif(folder / "image" / name, image(k))
        (folder / "label").mkdir(parents=True, exist_ok=True)
        write(folder / "label", Path(name).stem, classes(k))

    return three_tiles(root, write_tile, stated)


def label_of(root: Path, split: str = "test") -> np.ndarray:
    return WholeTiles(open_dataset(root).tiles(split))[0]["label"].numpy()


@pytest.mark.parametrize("stated", [None, {"classes": ["background", "building"]}])
def test_building_masks_of_0_and_255(tmp_path, stated):
    """Masks 0/255 in the folder layout: building must not vanish (open-mmlab/mmsegmentation#1609, #1313)."""

    def write(folder, name, label):
        tif(folder / f"{name}.tif", (label == 2).astype(np.uint8) * 255)

    root = dataset(tmp_path / "d", write, stated)
    for command in (("data", "check", root), ("train", root, "--out", tmp_path / "run", *SHORT)):
        refused(call(*command), '"label_values": {"0": 0, "255": 1}', '"ignore_index": 255')
    line = {"label_values": {"0": 0, "255": 1}}
    (root / "dataset.json").write_text(json.dumps((stated or {}) | line))
    np.testing.assert_array_equal(label_of(root), classes(2) == 2)
    assert call("data", "check", root).exit_code == 0
    assert call("train", root, "--out", tmp_path / "run", *SHORT).exit_code == 0
    (root / "dataset.json").write_text(json.dumps((stated or {}) | {"ignore_index": 255}))
    for command in (("data", "check", root), ("train", root, "--out", tmp_path / "no", *SHORT)):
        refused(call(*command), "labelled only as", "nothing to tell apart")


def test_label_with_an_internal_mask(tmp_path):
    """The unsurveyed half of a label is masked inside the TIFF (perrygeo/python-rasterstats#197)."""

    def write(folder, name, label):
        known = np.zeros((N, N), bool)
        known[: N // 2] = True
        path = tif(folder / f"{name}.tif", np.where(known, label, 0).astype(np.uint8))
        with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(path, "r+") as file:
            file.write_mask(known)

    root = dataset(tmp_path / "d", write)
    wanted = classes(2).astype(int)
    wanted[N // 2 :] = 255
    np.testing.assert_array_equal(label_of(root), wanted)
    assert check_dataset(root).counts()["test"][255] == N * N // 2
    assert call("train", root, "--out", tmp_path / "run", *SHORT).exit_code == 0
    scores = json.loads(call("evaluate", tmp_path / "run", root, "--json").stdout)
    assert sum(row["pixels"] for row in scores["per_class"].values()) == N * N // 2


def test_palettised_labels(tmp_path):
    """A drawing program wrote its own colour table: the colours are the classes (azavea/raster-vision#770)."""
    colours = np.array([[128, 128, 128], [255, 0, 0], [0, 255, 0]], np.uint8)

    def write(folder, name, label):
        Image.fromarray(colours[label]).quantize(3).save(folder / f"{name}.png")

    names = ["ground", "roof", "grass"]
    root = dataset(tmp_path / "d", write, {"classes": names, "palette": colours.tolist()})
    np.testing.assert_array_equal(label_of(root), classes(2))
    assert call("data", "check", root).exit_code == 0
    assert check_dataset(root).counts()["test"] == dict(enumerate(np.bincount(classes(2).ravel())))


@pytest.mark.parametrize("names", [None, ["ground", "roof", "grass"]])
def test_float_label_with_nan(tmp_path, names):
    """NaN declared as nodata, as clipping tools write it (corteva/rioxarray#20)."""

    def write(folder, name, label):
        label = label.astype(np.float32)
        label[N // 2 :] = np.nan
        tif(folder / f"{name}.tif", label, nodata=np.nan)

    root = dataset(tmp_path / "d", write, {} if names is None else {"classes": names})
    wanted = classes(2).astype(int)
    wanted[N // 2 :] = 255
    np.testing.assert_array_equal(label_of(root), wanted)
    assert call("data", "check", root).exit_code == 0
    assert call("train", root, "--out", tmp_path / "run", *SHORT).exit_code == 0


def test_names_with_spaces_and_dots_in_lists(tmp_path):
    """Lists with such names, with paths and second columns (YeLyuUT/MSDNet#2, dog-qiuqiu/FastestDet#11)."""
    names = ("block 12 a", "block 12 b", "tile_1.25", "tile_2.25")
    for k, name in enumerate(names):
        for folder, array in (("A", image(k)), ("B", image(k)), ("label", classes(k) // 2)):
            tif(tmp_path / folder / f"{name}.tif", array)
    (tmp_path / "list").mkdir()
    (tmp_path / "list/train.txt").write_text(
        "\ufeffblock 12 a.tif\nA/block 12 b.tif label/block 12 b.tif\n"
    )
    (tmp_path / "list/test.txt").write_text("tile_1.25\ntile_2.25.png,label/tile_2.25.png\n")
    data = open_dataset(tmp_path, val_fraction=0)
    assert [tile.id for tile in data.tiles("train")] == list(names[:2])
    assert [tile.id for tile in data.tiles("test")] == list(names[2:])
    assert call("data", "check", tmp_path).exit_code == 0
    (tmp_path / "list/test.txt").write_text("tile_1.26\nblock 12\n")
    result = call("data", "check", tmp_path)
    assert "lists tile_1.26, which" in result.stderr
    assert "lists block 12, which" in result.stderr


@pytest.fixture
def potsdam(tmp_path) -> tuple[Path, dict[str, np.ndarray]]:
    """The two tiles of 5_Labels_all that are not in the palette's colours, and two that are."""
    colours, truth = np.array(PALETTE, np.int16), {}
    for k, tile in enumerate(("6_7", "4_12", "2_10", "4_10")):
        label = truth[tile] = classes(k, 5)
        rgb, rng = colours[label], np.random.default_rng(k)
        if tile == "6_7":
            rgb[label == 4] = (252, 255, 0)
        if tile == "4_12":
            rgb = rgb + rng.integers(0, 31, rgb.shape) * np.where(rgb > 127, -1, 1)
        row, column = (int(part) for part in tile.split("_"))
        tif(tmp_path / f"4_Ortho_RGBIR/top_potsdam_{tile}_RGBIR.tif", image(k, 4))
        name = f"dsm_potsdam_{row:02d}_{column:02d}_normalized_lastools.tif"
        tif(tmp_path / "1_DSM" / name, image(k, 1))
        path = tmp_path / f"5_Labels_all/top_potsdam_{tile}_label.tif"
        tif(path, rgb.astype(np.uint8).transpose(2, 0, 1))
    return tmp_path, truth


def test_potsdams_two_odd_tiles(potsdam):
    """4_12 was saved with loss, the cars of 6_7 have a colour of their own (torchgeo/torchgeo#1727)."""
    root, truth = potsdam
    result = call("data", "check", root)
    assert result.exit_code == 0, result.output
    for tile in ("4_12", "6_7"):
        assert f"note: tile {tile}:" in result.stdout
    assert call("train", root, "--out", root / "run", *SHORT).exit_code == 0
    for unknown in (None, "error", "clutter", "ignore", "nearest"):
        for tile in open_potsdam(root, val_fraction=0, unknown=unknown).tiles("train"):
            np.testing.assert_array_equal(WholeTiles([tile])[0]["label"], truth[tile.id])


def test_the_advice_on_unknown_colours_can_be_followed(potsdam):
    """Another Potsdam tile in odd colours: the line that the message names is read by every command."""
    root, truth = potsdam
    path = root / "5_Labels_all/top_potsdam_2_10_label.tif"
    rgb = np.array(PALETTE, np.uint8)[truth["2_10"]].transpose(2, 0, 1)
    tif(path, np.where(rgb > 127, rgb - 9, rgb + 9).astype(np.uint8))
    refused(
        call("train", root, "--out", root / "run", *SHORT), '"label_unknown": "nearest"', "2_10"
    )
    (root / "dataset.json").write_text('{"label_unknown": "nearest"}')
    assert "note: " in call("data", "check", root).stdout
    assert call("train", root, "--out", root / "run", *SHORT).exit_code == 0
    tile = next(t for t in open_dataset(root, val_fraction=0).tiles("train") if t.id == "2_10")
    np.testing.assert_array_equal(WholeTiles([tile])[0]["label"], truth["2_10"])


def test_change_masks_saved_as_jpeg(tmp_path):
    """CDD's masks ring between 0 and 255 (wenhwu/awesome-remote-sensing-change-detection#5)."""
    mask = np.zeros((N, N), np.uint8)
    mask[8:20, 8:20] = 255
    for name in "ab":
        for folder in ("A", "B", "OUT"):
            (tmp_path / folder).mkdir(exist_ok=True)
            shown = mask if folder == "OUT" else image(1).transpose(1, 2, 0)
            Image.fromarray(shown).save(tmp_path / folder / f"{name}.jpg", quality=60)
    data = open_dataset(tmp_path)
    assert any("JPEG" in note for note in data.notes)
    np.testing.assert_array_equal(WholeTiles(data.tiles())[0]["label"], mask == 255)
    (tmp_path / "OUT").rename(tmp_path / "label")
    with pytest.raises(ValueError, match='"label_threshold": 128'):
        WholeTiles(open_dataset(tmp_path).tiles())[0]
    (tmp_path / "dataset.json").write_text('{"label_threshold": 128}')
    np.testing.assert_array_equal(
        WholeTiles(open_dataset(tmp_path).tiles())[0]["label"], mask == 255
    )


def test_background_declared_as_nodata(tmp_path):
    """Rasterised masks declare 0 as nodata: the sentence names the cause (GispoCoding/eis_toolkit#496)."""

    def write(folder, name, label):
        tif(folder / f"{name}.tif", (label == 2).astype(np.uint8), nodata=0)

    root = dataset(tmp_path / "d", write, {"classes": ["ground", "building"]})
    for command in (("data", "check", root), ("train", root, "--out", tmp_path / "run", *SHORT)):
        refused(call(*command), "only as building", "value 0 as nodata", "--unset-nodata")


def test_a_split_of_one_class_gets_no_means(tmp_path):
    """The test tiles show ground only: no mean of 100 % (google/automl#1133)."""

    def write(folder, name, label):
        tif(folder / f"{name}.tif", label * (name != "c"))

    names = ["ground", "roof", "grass"]
    root = dataset(tmp_path / "d", write, {"classes": names})
    assert call("train", root, "--out", tmp_path / "run", *SHORT).exit_code == 0
    result = call("evaluate", tmp_path / "run", root, "--json")
    scores = json.loads(result.stdout)
    assert (scores["mF1"], scores["mIoU"], scores["absent"]) == (None, None, names[1:])
    assert scores["reason"] == "all labelled pixels are ground"
    assert "no pixel of the split test is labelled roof, grass" in result.stderr
    assert "mIoU –" in call("evaluate", tmp_path / "run", root).stdout


def test_classes_in_another_order(tmp_path):
    """The scored data list the same names in another order (deeplearning4j/DataVec#105)."""

    def write(folder, name, label):
        tif(folder / f"{name}.tif", label)

    root = dataset(tmp_path / "d", write, {"classes": ["ground", "roof", "grass"]})
    assert call("train", root, "--out", tmp_path / "run", *SHORT).exit_code == 0
    (root / "dataset.json").write_text('{"classes": ["roof", "ground", "grass"]}')
    refused(call("evaluate", tmp_path / "run", root), "in the order roof, ground, grass")
    (root / "dataset.json").write_text('{"classes": ["roof", "ground", "lawn"]}')
    refused(call("evaluate", tmp_path / "run", root), "in the order roof, ground, lawn")
    (root / "dataset.json").write_text('{"classes": ["ground", "roof", "lawn"]}')
    assert "lawn as grass" in call("evaluate", tmp_path / "run", root).stderr


def test_two_classes_of_one_name_are_refused(tmp_path):
    """Scores are told by name: one of the two would be lost."""

    def write(folder, name, label):
        tif(folder / f"{name}.tif", label)

    root = dataset(tmp_path / "d", write, {"classes": ["car", "roof", "car"]})
    said = "several classes of the name car"
    refused(call("train", root, "--out", tmp_path / "run", *SHORT), said)
    assert said in call("data", "check", root).output


def test_a_training_tells_which_class_it_lacks(tmp_path):
    """The note of the check comes before a training as well (cliffbb/DFC2025-OEM-SAR-Baseline#4)."""

    def write(folder, name, label):
        tif(folder / f"{name}.tif", label + np.uint8(1) if name != "c" else label)

    names = ["road", "ground", "roof", "grass"]
    root = dataset(tmp_path / "d", write, {"classes": names})
    told = "no training pixel is labelled road, the class of the value 0"
    result = call("train", root, "--out", tmp_path / "run", *SHORT)
    assert (result.exit_code, told in result.stderr, "label_offset" in result.stderr) == (
        0,
        True,
        True,
    )
    assert told in call("data", "check", root).stdout.replace("\n", " ")


def test_two_conventions_in_one_dataset(tmp_path):
    """Some masks are 0/1, others 0/255 (RenYurui/StructureFlow#20)."""

    def write(folder, name, label):
        tif(folder / f"{name}.tif", (label == 2).astype(np.uint8) * (1 if name == "a" else 255))

    root = dataset(tmp_path / "d", write, {"classes": ["ground", "building"]})
    refused(call("data", "check", root), "like a.tif", '"1": 1, "255": 1')
    values = {"label_values": {"0": 0, "1": 1, "255": 1}}
    (root / "dataset.json").write_text(json.dumps({"classes": ["ground", "building"]} | values))
    np.testing.assert_array_equal(label_of(root), classes(2) == 2)


def test_nodata_of_object_maps_is_no_object(tmp_path):
    """Exports mark "no object" as nodata (GispoCoding/eis_toolkit#496)."""
    from mfnet_lite.rasters import ObjectReader, Window, find_object_files

    tif(tmp_path / "image" / "a.tif", image(0))
    tif(tmp_path / "label" / "a.tif", classes(0))
    ids = classes(1).astype(np.int32)
    tif(tmp_path / "objects" / "a.tif", np.where(ids == 0, -1, ids), nodata=-1)
    files = find_object_files(open_dataset(tmp_path).tiles(), "objects")
    for cache in (False, True):
        found = ObjectReader(cache).read(files[0], Window(0, 0, N, N))
        assert set(np.unique(found.objects)) <= {0, 1, 2}


def test_a_named_class_that_is_declared_as_nodata_is_asked_about(tmp_path):
    """ASFHyP3/hyp3-gamma#266: three classes, the first one's value declared as nodata by the exporting program."""
    stated = {"classes": ["ground", "road", "roof"]}

    def write(folder: Path, name: str, label: np.ndarray) -> None:
        tif(folder / f"{name}.tif", label, nodata=0)

    root = dataset(tmp_path / "d", write, stated)
    refused(call("train", root, "--out", tmp_path / "run", *SHORT), "ground", '"ignore_index": 0')
    assert any("nowhere as ground" in problem.problem for problem in check_dataset(root).problems)
    (root / "dataset.json").write_text(json.dumps(stated | {"ignore_index": 0}))
    assert call("train", root, "--out", tmp_path / "run", *SHORT).exit_code == 0


def test_resuming_names_the_tile_and_minds_no_layout(tmp_path):
    """Only what is learnt from matters: not how dataset.json is laid out, nor how the folder is called."""
    root = dataset(
        tmp_path / "d",
        lambda folder, name, label: tif(folder / f"{name}.tif", label),
        {"classes": ["ground", "road", "roof"]},
    )
    run = tmp_path / "run"
    assert call("train", root, "--out", run, *SHORT).exit_code == 0
    moved = root.rename(tmp_path / "moved")
    (moved / "dataset.json").write_text('{\n "classes": ["ground",\n  "road", "roof"]}\n')
    again = call("train", moved, "--out", run, *SHORT, "--resume")
    assert again.exit_code == 0, again.output
    tif(moved / "train" / "image" / "z.tif", image(9))
    tif(moved / "train" / "label" / "z.tif", classes(9))
    refused(call("train", moved, "--out", run, *SHORT, "--resume"), "cannot resume", "tiles of")
