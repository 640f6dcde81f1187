"""One reading of label files: masks, nodata, NaN, alpha, colour tables, values of other tools, lossy saving."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import rasterio
from PIL import Image

from mfnet_lite.rasters import (
    LabelCoding,
    RandomCrops,
    WholeTiles,
    check_dataset,
    open_dataset,
    open_plates,
    read_plates,
    scan,
    write_raster,
)
from mfnet_lite.rasters.labels.label_colours import Nearest, nearest_colours
from mfnet_lite.rasters.labels.label_counts import count_labels, label_histogram, nothing_to_learn
from mfnet_lite.rasters.labels.label_files import read_label, table_reading
from mfnet_lite.rasters.labels.label_json import adapt
from mfnet_lite.rasters.labels.label_scan import count_classes, label_values, values_of
from mfnet_lite.rasters.readers.oddities import ODDITIES, OFF_PALETTE
from mfnet_lite.rasters.scan import listed_names

CLASSES = ["ground", "roof", "grass"]
PALETTE = [[128, 128, 128], [255, 0, 0], [0, 255, 0]]
LABEL = np.arange(48, dtype=np.uint8).reshape(6, 8) % 3
COLOURS = np.array(PALETTE, np.uint8)
PLACE = {"crs": "EPSG:25832", "transform": rasterio.Affine(0.25, 0, 5e5, 0, -0.25, 5.8e6)}


def put(root: Path, label: np.ndarray | None = None, name: str = "a", stated=None, **facts):
    """One tile of 6 x 8 pixels in the folder layout; returns the path of its label."""
    image = np.full((3, *(LABEL if label is None else label).shape[-2:]), 90, np.uint8)
    write_raster(root / "image" / f"{name}.tif", image, **PLACE)
    if stated is not None:
        (root / "dataset.json").write_text(json.dumps(stated))
    path = root / "label" / f"{name}.tif"
    if label is not None:
        write_raster(path, label, **PLACE | facts)
    return path


def seen(root: Path, **options) -> np.ndarray:
    """The label of the first tile, and the same from a cached reader and from the check."""
    tiles = open_dataset(root, val_fraction=0, **options).tiles("train")
    whole = WholeTiles(tiles)[0]["label"].numpy()
    crops = RandomCrops(tiles[:1], 8, cache=True, flips=False, length=1)
    np.testing.assert_array_equal(crops[0]["label"].numpy()[:6], whole)
    counted = label_histogram(tiles[:1])
    values, pixels = np.unique(whole, return_counts=True)
    assert counted == dict(zip(values.tolist(), pixels.tolist(), strict=True))
    return whole


def expect(root: Path, wanted: np.ndarray, **options) -> None:
    np.testing.assert_array_equal(seen(root, **options), wanted)


def half(value: int = 255) -> np.ndarray:
    wanted = LABEL.astype(np.int64)
    wanted[3:] = value
    return wanted


def with_mask(path: Path, internal: bool) -> None:
    valid = np.ones((6, 8), bool)
    valid[3:] = False
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=internal), rasterio.open(path, "r+") as file:
        file.write_mask(valid)
    assert internal != path.with_name(path.name + ".msk").exists()


@pytest.mark.parametrize("internal", [True, False])
def test_masked_pixels_are_not_labelled(tmp_path, internal):
    with_mask(put(tmp_path, LABEL, stated={"classes": CLASSES}), internal)
    expect(tmp_path, half())
    assert check_dataset(tmp_path).counts()["all"][255] == 24


def test_masked_pixels_of_colour_labels_and_of_counted_classes(tmp_path):
    rgb = COLOURS[LABEL].transpose(2, 0, 1)
    with_mask(put(tmp_path / "c", rgb, stated={"classes": CLASSES, "palette": PALETTE}), True)
    expect(tmp_path / "c", half())
    hidden = LABEL.copy()
    hidden[3:] = 77  # beneath the mask anything may lie
    with_mask(put(tmp_path / "v", hidden), True)
    assert open_dataset(tmp_path / "v").info.num_classes == 3
    expect(tmp_path / "v", half())


@pytest.mark.parametrize("nodata", [np.nan, None, -3.4028234663852886e38])
def test_missing_values_of_float_labels(tmp_path, nodata):
    label = LABEL.astype(np.float32)
    label[3:] = np.nan if nodata is None else nodata
    put(tmp_path, label, nodata=nodata)
    assert open_dataset(tmp_path).info.num_classes == 3
    expect(tmp_path, half())
    (tmp_path / "dataset.json").write_text(json.dumps({"classes": CLASSES}))
    expect(tmp_path, half())
    assert check_dataset(tmp_path).ok


def test_floats_between_the_classes_are_refused(tmp_path):
    put(tmp_path, LABEL / np.float32(2), stated={"classes": CLASSES})
    with pytest.raises(ValueError, match=r"0\.5 \(16 px\).*export the label without resampling"):
        seen(tmp_path)
    (tmp_path / "dataset.json").unlink()
    with pytest.raises(ValueError, match=r"0, 0\.5, 1 are no count of classes"):
        open_dataset(tmp_path)


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparent_pixels(tmp_path, mode):
    path = put(
        tmp_path, stated={"classes": CLASSES} | ({"palette": PALETTE} if mode == "RGBA" else {})
    )
    alpha = np.full((6, 8, 1), 255, np.uint8)
    alpha[3:] = 0
    shown = COLOURS[LABEL] if mode == "RGBA" else LABEL[..., None]
    path.parent.mkdir()
    Image.fromarray(np.concatenate([shown, alpha], -1), mode).save(path.with_suffix(".png"))
    expect(tmp_path, half())
    alpha[0, 0] = 100  # a soft edge: no mask
    Image.fromarray(np.concatenate([shown, alpha], -1), mode).save(path.with_suffix(".png"))
    expect(tmp_path, LABEL)


def paletted(path: Path, indices: np.ndarray, table: list, **how) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(indices.astype(np.uint8), "P")
    image.putpalette(np.array(table, np.uint8).ravel().tolist())
    image.save(path.with_suffix(".png"), **how)


STATED = {"classes": CLASSES, "palette": PALETTE}


def test_colour_table_in_another_order(tmp_path):
    path = put(tmp_path, stated=STATED)
    paletted(path, (LABEL + 1) % 3, [PALETTE[2], PALETTE[0], PALETTE[1]])
    expect(tmp_path, LABEL)
    assert check_dataset(tmp_path).ok
    black = (LABEL + 1) % 3
    black[3:] = 3
    paletted(path, black, [PALETTE[2], PALETTE[0], PALETTE[1], [0, 0, 0]])
    expect(tmp_path, half())
    paletted(path, (LABEL + 1) % 3, [PALETTE[2], PALETTE[0], PALETTE[1]], transparency=bytes([0]))
    assert (seen(tmp_path) == 255).sum() == (LABEL == 2).sum()


def test_colour_table_of_a_geotiff_that_agrees_or_not(tmp_path):
    table = {i: tuple(colour) for i, colour in enumerate(PALETTE)}
    path = put(tmp_path, LABEL, palette=table, stated=STATED)
    expect(tmp_path, LABEL)
    write_raster(path, LABEL + 77 * (LABEL == 2).astype(np.uint8), palette=table)
    with pytest.raises(ValueError, match=r"unknown label value: 79 \(16 px\)"):
        seen(tmp_path)
    turned = {0: (255, 0, 0), 1: (0, 255, 0), 2: (128, 128, 128)}
    write_raster(path, LABEL, palette=turned)
    expect(tmp_path, (LABEL + 1) % 3)


def test_colour_table_that_matches_in_part(tmp_path):
    path = put(tmp_path, stated=STATED)
    paletted(path, LABEL, [PALETTE[1], PALETTE[0], [1, 2, 3]])
    with pytest.raises(ValueError, match=r"2 shown as \(1, 2, 3\) \(16 px\).*label_unknown"):
        seen(tmp_path)
    paletted(path, LABEL % 2, [PALETTE[1], PALETTE[0], [1, 2, 3]])  # not used: no harm
    expect(tmp_path, 1 - LABEL % 2)


def test_colour_table_of_other_colours(tmp_path):
    path = put(tmp_path, stated=STATED)
    paletted(path, LABEL, [[9, 9, 9], [8, 8, 8], [7, 7, 7]])
    assert "without any colour of palette" in open_dataset(tmp_path).notes[0]
    expect(tmp_path, LABEL)


def test_colour_tables_that_differ_without_a_palette(tmp_path):
    put(tmp_path, stated={"classes": CLASSES})
    paletted(put(tmp_path, name="a"), LABEL, PALETTE)
    paletted(put(tmp_path, name="b"), LABEL, PALETTE[::-1])
    with pytest.raises(ValueError, match=r'b\.png shows the value 0 as \(0, 255, 0\).*"palette"'):
        open_dataset(tmp_path)
    paletted(put(tmp_path, name="b"), np.ones_like(LABEL), PALETTE[::-1])  # only the middle is used
    assert len(open_dataset(tmp_path).tiles()) == 2
    paletted(put(tmp_path, name="b"), LABEL, PALETTE[::-1])
    values = {"label_values": {"0": 0, "1": 1, "2": 2}}
    (tmp_path / "dataset.json").write_text(json.dumps({"classes": CLASSES} | values))
    expect(tmp_path, LABEL)


def test_which_reading_a_colour_table_asks_for():
    coding = LabelCoding(2, palette={(0, 0, 0): 0, (255, 255, 255): 1}, exact=True)
    white, black = (255, 255, 255), (0, 0, 0)
    assert table_reading({0: black, 1: white}, coding) == "values"
    assert table_reading({0: white, 1: black}, coding) == "colours"
    assert table_reading({0: black, 1: (128, 0, 0)}, coding) == "values"
    assert table_reading({0: (1, 1, 1)}, coding) == "none"
    assert table_reading({0: white}, LabelCoding(2)) == "values"


@pytest.mark.parametrize("names", [None, ["background", "building"]])
def test_masks_of_0_and_255_ask_what_255_is(tmp_path, names):
    stated = {} if names is None else {"classes": names}
    mask = (LABEL == 1).astype(np.uint8) * 255
    put(tmp_path, mask, stated=stated)
    with pytest.raises(ValueError, match=r'0 and 255 only.*"label_values": {"0": 0, "255": 1}'):
        open_dataset(tmp_path)
    (problem,) = check_dataset(tmp_path).problems
    assert problem.file == tmp_path
    for line in (
        {"0": 0, "255": 1},
        {"background": 0, "building": 255} if names else {"0": 0, "255": 1},
    ):
        (tmp_path / "dataset.json").write_text(json.dumps(stated | {"label_values": line}))
        expect(tmp_path, mask == 255)
        assert check_dataset(tmp_path).ok
    (tmp_path / "dataset.json").write_text(json.dumps(stated | {"ignore_index": 255}))
    (problem,) = check_dataset(tmp_path).problems
    assert "only as" in problem.problem
    assert "nothing to tell apart" in problem.problem


def test_masks_of_0_1_and_255(tmp_path):
    mask = LABEL.copy()
    mask[mask == 2] = 255
    put(tmp_path, mask, stated={"classes": ["a", "b"]})
    expect(tmp_path, mask)
    put(tmp_path, (LABEL == 1) * np.uint8(255), name="b")  # beside one that settles it
    assert len(open_dataset(tmp_path).tiles()) == 2
    put(tmp_path, (LABEL == 1) * np.uint8(1))
    with pytest.raises(ValueError, match=r'0 and 1, like a\.tif.*b\.tif.*"1": 1, "255": 1'):
        open_dataset(tmp_path)


def test_values_by_name_number_or_not_at_all(tmp_path):
    label = np.choose(LABEL, [10, 20, 30]).astype(np.uint8)
    label[0] = 40
    stated = {
        "classes": CLASSES,
        "label_values": {"10": "roof", "20": 0, "30": "grass", "40": "ignore"},
    }
    put(tmp_path, label, stated=stated)
    wanted = np.choose(LABEL, [1, 0, 2])
    wanted[0] = 255
    expect(tmp_path, wanted)
    del stated["classes"], stated["label_values"]["10"]
    (tmp_path / "dataset.json").write_text(json.dumps(stated))
    with pytest.raises(ValueError, match="'grass' in label_values"):
        open_dataset(tmp_path)


@pytest.mark.parametrize(
    ("stated", "words"),
    [
        ({"label_values": {"0": 7}}, "class 7 in label_values: expected 0 to 2"),
        ({"label_values": {"0": "tree"}}, "'tree' in label_values"),
        ({"label_values": {}, "label_offset": 0}, "for label_values: expected"),
        ({"label_values": {"0": -1}}, "for label_values: expected"),
        ({"label_values": ["0"]}, "for label_values: expected"),
        ({"label_values": {"0": 0}, "label_offset": -1}, "both label_offset and label_values"),
        ({"label_threshold": "x"}, "for label_threshold: expected a number"),
        ({"label_threshold": 128}, "label_threshold for 3 classes"),
        ({"label_unknown": 5}, "for label_unknown: expected"),
        ({"label_unknown": "tree"}, "'tree' for label_unknown"),
        ({"palette": [[1, 1, 1], [1, 1, 1], [2, 2, 2]]}, "twice in palette"),
    ],
)
def test_keys_that_cannot_be(tmp_path, stated, words):
    put(tmp_path, COLOURS[LABEL].transpose(2, 0, 1), stated={"classes": CLASSES} | stated)
    with pytest.raises(ValueError, match=words):
        open_dataset(tmp_path)
    assert check_dataset(tmp_path).problems[0].file == tmp_path / "dataset.json"


@pytest.mark.parametrize("value", [-1, -100])
def test_ignored_by_the_fields_convention(tmp_path, value):
    label = LABEL.astype(np.int16)
    label[3:] = value
    for stated in ({"classes": CLASSES}, {}):
        put(tmp_path, label, stated=stated)
        expect(tmp_path, half())
        report = check_dataset(tmp_path)
        assert report.ok
        assert any(f"24 label pixels hold {value}" in note for note in report.notes)


@pytest.mark.parametrize("value", [65535, -9999, 254, 127])
def test_ignored_by_other_tools(tmp_path, value):
    label = LABEL.astype(np.int32)
    label[3:] = value
    put(tmp_path, label, stated={"classes": CLASSES})
    with pytest.raises(ValueError, match=f'"ignore_index": {value} in dataset.json'):
        seen(tmp_path)
    (tmp_path / "dataset.json").unlink()
    with pytest.raises(ValueError, match=f'"ignore_index": {value} in dataset.json'):
        open_dataset(tmp_path)
    for stated in ({}, {"classes": CLASSES}):
        (tmp_path / "dataset.json").write_text(json.dumps(stated | {"ignore_index": value}))
        data = open_dataset(tmp_path)
        assert (data.info.num_classes, data.info.ignore_index) == (
            3,
            value if 0 <= value < 256 else 255,
        )
        expect(tmp_path, half(data.info.ignore_index))
        assert check_dataset(tmp_path).ok


def test_classes_counted_from_1(tmp_path):
    put(tmp_path, LABEL + np.uint8(1), stated={"classes": CLASSES})
    with pytest.raises(ValueError, match='counted from 1, write "label_offset": -1'):
        seen(tmp_path)
    (tmp_path / "dataset.json").unlink()
    assert '"label_offset": -1' in open_dataset(tmp_path).notes[0]
    (tmp_path / "dataset.json").write_text('{"label_offset": -1, "ignore_index": 254}')
    expect(tmp_path, LABEL)


def test_a_single_class_needs_another(tmp_path):
    put(tmp_path, LABEL // 2, stated={"classes": ["building"]})
    with pytest.raises(ValueError, match=r'"classes": \["other", "building"\]'):
        seen(tmp_path)


def test_a_count_of_classes_that_may_be_meant():
    assert count_classes({0, 1, 5}, 255, 0) == (6, [], [])
    assert count_classes({0, 1, 254}, 255, 0) == (255, [], [254])
    assert count_classes({10, 20, 255}, 255, 0) == (21, [], [10, 20])
    assert count_classes({-1, -100, 0, 1}, 255, 0) == (2, [-100, -1], [])
    assert count_classes({0, 1, 7}, 255, -1) == (7, [], [])
    assert count_classes({-9999, 0, 1}, 255, 0) == (2, [], [-9999])


def test_labels_are_no_image(tmp_path):
    many = np.arange(48, dtype=np.uint16).reshape(6, 8) * 50
    path = put(tmp_path, np.tile(many, (40, 1)) + np.arange(240, dtype=np.uint16)[:, None] * 7)
    with pytest.raises(ValueError, match="more than 1000 different values"):
        values_of(path)
    assert label_values([put(tmp_path / "b", LABEL)]) == {0, 1, 2}


SOFT = np.array([[0, 3, 120, 128, 252, 255, 0, 255]] * 6, np.uint8)
HARD = (SOFT >= 128).astype(int)


@pytest.mark.parametrize("names", [None, ["a", "b"]])
def test_masks_saved_with_loss(tmp_path, names):
    stated = {} if names is None else {"classes": names}
    path = put(tmp_path, np.tile(np.arange(48, dtype=np.uint8), 1).reshape(6, 8) * 5, stated=stated)
    with pytest.raises(ValueError, match='"label_threshold": 128'):
        seen(tmp_path)
    write_raster(path, SOFT)
    (tmp_path / "dataset.json").write_text(json.dumps(stated | {"label_threshold": 128}))
    expect(tmp_path, HARD)
    assert check_dataset(tmp_path).ok
    write_raster(path, np.stack([SOFT, SOFT, np.maximum(SOFT, 3) - 3]))  # chroma of a JPEG
    assert (seen(tmp_path)[:, [0, 2, 4, 5]] == [0, 0, 1, 1]).all()
    write_raster(path, SOFT, nodata=0)
    assert (seen(tmp_path)[:, [0, 2, 4]] == [255, 0, 1]).all()
    (tmp_path / "dataset.json").write_text(
        json.dumps(stated | {"label_threshold": 128, "ignore_index": 255})
    )
    write_raster(path, SOFT)
    assert (seen(tmp_path)[:, [4, 5]] == [1, 255]).all()


def test_jpeg_masks_count_no_classes(tmp_path):
    path = put(tmp_path).with_suffix(".jpg")
    path.parent.mkdir()
    Image.fromarray(np.kron(LABEL[:, :8] == 1, np.ones((1, 1))).astype(np.uint8) * 255).save(path)
    with pytest.raises(ValueError, match=r'JPEG labels, first a\.jpg.*"label_threshold": 128'):
        open_dataset(tmp_path)
    (tmp_path / "dataset.json").write_text('{"classes": ["a", "b", "c"]}')
    assert "1 label is JPEG" in open_dataset(tmp_path).notes[0]


def blended(step: int = 20) -> np.ndarray:
    sign = np.where(COLOURS > 127, -1, 1)
    return (
        np.clip(COLOURS.astype(int) + step * sign, 0, 255)
        .astype(np.uint8)[LABEL]
        .transpose(2, 0, 1)
    )


@pytest.mark.parametrize(
    ("word", "wanted"),
    [("nearest", LABEL), ("ignore", np.full_like(LABEL, 255)), ("roof", LABEL * 0 + 1)],
)
def test_unknown_colours(tmp_path, word, wanted):
    put(tmp_path, blended(), stated=STATED)
    with pytest.raises(ValueError, match=r'"label_unknown": "nearest".*"grass"'):
        seen(tmp_path)
    (tmp_path / "dataset.json").write_text(json.dumps(STATED | {"label_unknown": word}))
    expect(tmp_path, wanted)
    if word == "nearest":
        report = check_dataset(tmp_path)
        assert report.notes[0] == (
            "48 label pixels had a colour of no class and were given the class of the nearest colour"
        )


def test_nearest_colour_far_and_tied():
    known = {(0, 0, 0): 0, (0, 0, 200): 1}
    packed = np.array([90, 100, 101, 0x00FF00], np.int32)
    index, away, tied = nearest_colours(packed, known)
    assert (index.tolist(), tied.tolist()) == ([0, 0, 1, 0], [False, True, False, False])
    assert away.round().tolist() == [90, 100, 99, 255]
    coding = LabelCoding(2, colours=known, unknown="nearest")
    array = np.array([[[0, 0, 0]], [[0, 0, 255]], [[90, 100, 0]]], np.uint8)
    indices, found = coding.settle(array, coding.lookup(array))
    assert (indices.tolist(), found) == ([[0, 255, 0]], Nearest(3, 1, 1))


def test_colours_of_sixteen_bits_are_refused(tmp_path):
    put(tmp_path, COLOURS[LABEL].transpose(2, 0, 1).astype(np.uint16) * 257, stated=STATED)
    with pytest.raises(ValueError, match="expected colours of 0 to 255, got uint16"):
        seen(tmp_path)


def test_one_class_is_nothing_to_learn():
    assert nothing_to_learn({0: 5, 1: 1, 255: 9}, CLASSES) == ""
    assert "only as roof" in nothing_to_learn({1: 5, 255: 9}, CLASSES)
    assert "nowhere" in nothing_to_learn({255: 9}, CLASSES)
    assert "only as grass" in nothing_to_learn({0: 9, 2: 5}, CLASSES, ignore=0)
    assert '["other", "roof"]' in nothing_to_learn({0: 9}, ["roof"])
    assert '["class 0", "other"]' in nothing_to_learn(
        {0: 9, 255: 9}, ["class 0"]
    )  # nobody named it
    assert "--unset-nodata" in nothing_to_learn({1: 5}, CLASSES, {0})


def test_large_lossy_label_in_bounded_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(scan, "STRIP_PIXELS", 50_000)
    rng = np.random.default_rng(0)
    rgb = rng.integers(0, 256, (3, 900, 900), dtype=np.uint8)
    path = put(tmp_path, rgb)
    palette = {tuple(colour): i for i, colour in enumerate(PALETTE)}
    tracemalloc.start()
    _, found = count_labels(path, LabelCoding(3, palette=palette, unknown="nearest"))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    exact = sum((rgb == np.reshape(c, (3, 1, 1))).all(0).sum() for c in PALETTE)
    assert found.classes.total() == 900**2 == found.nearest.pixels + exact
    assert peak < 25e6  # a strip is 512 rows here, since the file is written in blocks of so many
    with pytest.raises(ValueError, match=r"and \d+ more, \d+ px in all"):
        read_label(path, LabelCoding(3, palette=palette))


def test_fixed_readers_take_the_keys_as_well(tmp_path):
    coding = LabelCoding(2, values={0: 0, 1: 1, 255: 1}, classes=("unchanged", "changed"))
    stated = {"label_values": {"7": "ignore", "100": "changed"}, "ignore_index": -1}
    found = adapt(coding, stated, tmp_path)
    assert found.values == {0: 0, 1: 1, 255: 1, 7: 255, 100: 1, -1: 255}
    assert adapt(coding, {"label_threshold": 128}, tmp_path).threshold == 128


def test_lossless_label_beside_its_preview(tmp_path):
    path = put(tmp_path, stated={"classes": CLASSES})
    path.parent.mkdir()
    Image.fromarray(LABEL).save(path.with_suffix(".png"))
    Image.fromarray(COLOURS[LABEL]).save(path.with_suffix(".jpg"))
    assert "a.jpg beside a.png" in open_dataset(tmp_path).notes[0]
    expect(tmp_path, LABEL)


def plate_mask(root: Path, mask: np.ndarray, suffix: str = ".png", **how) -> Path:
    for name in ("images", "masks"):
        (root / name).mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.zeros((*mask.shape[:2], 3), np.uint8)).save(root / "images" / "a.png")
    path = root / "masks" / f"a{suffix}"
    Image.fromarray(mask).save(path, **how)
    return root


def test_plate_masks(tmp_path):
    plate = np.zeros((32, 48), np.uint8)
    plate[8:16, 8:24] = 1
    soft = plate * 255
    soft[7, 8:24], soft[16, 8:24] = 90, 140
    number = plate.copy()
    number[20:24, 30:40] = 2
    green = np.zeros((32, 48, 3), np.uint8)
    green[..., 1] = plate * 200
    known = np.full((32, 48, 1), 255, np.uint8)
    known[:4] = 0
    rgba = np.concatenate([green, known], -1)
    for name, mask, wanted in (
        ("one", plate, plate),
        ("soft", soft, soft >= 128),
        ("number", number, number > 0),
        ("green", green, plate),
        ("rgba", rgba, np.where(known[..., 0] == 0, 255, plate)),
    ):
        _, label, boxes = read_plates(open_plates(plate_mask(tmp_path / name, mask)).tiles()[0])
        np.testing.assert_array_equal(label, wanted, err_msg=name)
        assert len(boxes) == (2 if name == "number" else 1)
    report = check_dataset(tmp_path / "rgba")
    assert report.counts()["all"] == {0: 32 * 48 - 128 - 4 * 48, 1: 128, 255: 4 * 48}
    jpeg = plate_mask(tmp_path / "jpeg", plate * 255, ".jpg")
    np.testing.assert_array_equal(read_plates(open_plates(jpeg).tiles()[0])[1], plate)
    for name, mask, how, words in (
        ("small", plate * 9, {"suffix": ".jpg"}, "JPEG with values up to"),
        ("both", np.maximum(plate, 255 * (number == 2).astype(np.uint8)), {}, "holds 1 and 255"),
        ("clear", plate, {"transparency": 0}, "wherever there is no plate"),
    ):
        root = plate_mask(tmp_path / name, mask, **how)
        with pytest.raises(ValueError, match=words):
            read_plates(open_plates(root).tiles()[0])


def test_names_of_lists():
    assert listed_names("tile_1.25") == ["tile_1.25"]
    assert listed_names("block 12 a.tif") == ["block 12 a.tif", "block 12 a"]
    assert listed_names("A/x.png label/x.png") == ["x.png", "x"]
    assert listed_names("x.png, y.png")[-1] == "x"
    assert listed_names("A\\q r.TIF") == ["q r.TIF", "q r"]
    assert "block" not in listed_names("block 12")


def test_oddities_are_in_the_documentation():
    page = (Path(__file__).parents[3] / "data" / "README.md").read_text(encoding="utf-8")
    assert [odd.source for odd in ODDITIES if odd.source not in page] == []
    assert set(OFF_PALETTE["potsdam"]) == {"4_12", "6_7"}


def clear_png(root: Path, clear: list[int], label: np.ndarray = LABEL) -> Path:
    """A label with a colour table in which some values are transparent, as drawing programs write it."""
    path = put(root, None)
    write_raster(root / "image" / "a.tif", np.full((3, *label.shape), 90, np.uint8))
    path = path.with_suffix(".png")
    path.parent.mkdir(parents=True, exist_ok=True)
    drawn = Image.fromarray(label, mode="P")
    drawn.putpalette(COLOURS.tobytes())
    drawn.save(path, transparency=bytes(0 if value in clear else 255 for value in range(3)))
    return path


@pytest.mark.filterwarnings("ignore:'mode' parameter:DeprecationWarning")
@pytest.mark.parametrize("clear", [[0], [0, 1]])
def test_a_class_that_is_transparent_by_colour_table_is_named(tmp_path, clear):
    """No declaration hides it, and no offset of the values would bring it back."""
    path = clear_png(tmp_path, clear)
    (tmp_path / "dataset.json").write_text(json.dumps({"classes": CLASSES}))
    _, found = count_labels(path, LabelCoding(3))
    assert (found.transparent, found.nodata) == (set(clear), set())
    report = check_dataset(tmp_path, progress=False)
    (problem,) = report.problems
    text = str(problem)
    assert "the colour table of the label files makes the value 0" in text
    assert "without transparency" in text
    assert not any(word in text for word in ("unset-nodata", "label_offset"))
    assert not any("label_offset" in note for note in report.notes)


@pytest.mark.filterwarnings("ignore:'mode' parameter:DeprecationWarning")
@pytest.mark.parametrize(("palette", "hidden"), [(PALETTE, {0}), (PALETTE[::-1], set())])
def test_a_transparent_value_is_a_class_only_by_its_colour(tmp_path, palette, hidden):
    path = clear_png(tmp_path, [0])
    colours = {tuple(colour): index for index, colour in enumerate(palette)}
    _, found = count_labels(path, LabelCoding(3, palette=colours))
    assert (found.transparent, found.nodata) == (hidden, set())


@pytest.mark.filterwarnings("ignore:'mode' parameter:DeprecationWarning")
def test_counted_classes_mind_what_is_transparent(tmp_path):
    clear_png(tmp_path, [0])
    (note,) = [n for n in open_dataset(tmp_path).notes if "counted" in n]
    assert "0 is transparent by the colour table, as in a.png" in note
    assert "none is 0" not in note
    write_raster(tmp_path / "label" / "a.tif", LABEL, nodata=0, **PLACE)
    (tmp_path / "label" / "a.png").unlink()
    (note,) = [n for n in open_dataset(tmp_path).notes if "counted" in n]
    assert "none is 0" in note


def test_a_value_that_is_declared_as_nodata_is_no_transparent_one(tmp_path):
    """GDAL shows the nodata value of a GeoTIFF with a colour table as transparent."""
    path = put(tmp_path, LABEL, nodata=0, palette=[tuple(colour) for colour in PALETTE])
    _, found = count_labels(path, LabelCoding(3))
    assert (found.transparent, found.nodata) == (set(), {0})


@pytest.mark.parametrize(
    ("values", "classes", "middle"),
    [
        (np.linspace(0, 1, 48, dtype=np.float32), 3, "0.5"),
        (np.linspace(0, 1, 48, dtype=np.float32), 2, "0.5"),
        (np.arange(0, 240, 5, dtype=np.uint8), 3, "128"),
        (np.arange(0, 62_400, 1300, dtype=np.uint16), 2, "32768"),
    ],
)
def test_labels_that_look_continuous_are_told_the_threshold(tmp_path, values, classes, middle):
    path = put(tmp_path, values.reshape(6, 8))
    with pytest.raises(ValueError, match=rf'"label_threshold": {middle} in dataset\.json'):
        read_label(path, LabelCoding(classes))


def test_a_few_unknown_values_are_no_continuous_label(tmp_path):
    path = put(tmp_path, LABEL + np.uint8(7))
    with pytest.raises(ValueError, match="correct the label, or the classes"):
        read_label(path, LabelCoding(3))
