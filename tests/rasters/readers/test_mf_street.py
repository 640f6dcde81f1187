"""MFNet's street set: a PNG of four channels is colours and heat, not colours and opacity."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from mfnet_lite.cli import app
from mfnet_lite.rasters import (
    RandomCrops,
    WholeTiles,
    check_dataset,
    detect_kind,
    open_dataset,
    open_mf_street,
)
from mfnet_lite.rasters.readers.mf_street import CLASSES, PALETTE
from mfnet_lite.sam import SamConfig, build_sam
from mfnet_lite.utils.labels import IGNORE_INDEX
from tests.rasters.readers.image_sets import (
    make_mf_street,
    save,
    split_channels,
    write_list,
)


@pytest.fixture
def street(tmp_path):
    return make_mf_street(tmp_path / "ir_seg_dataset")


def pixels(path):
    return np.array(Image.open(path))


def test_the_published_folders(street):
    data = open_dataset(street)
    assert data.kind == "mf_street"
    assert {split: [tile.id for tile in tiles] for split, tiles in data.splits.items()} == {
        "train": ["00001D", "00002D", "00003N"],
        "val": ["00004N"],
        "test": ["00005D", "00006N"],
        "test_day": ["00005D"],
        "test_night": ["00006N"],
    }
    assert len(CLASSES) == len(PALETTE) == 9
    assert [data.info.sensors[name].kind for name in ("optical", "thermal")] == [
        "optical",
        "thermal",
    ]
    assert check_dataset(street).ok
    assert not data.notes


def test_the_fourth_channel_is_a_sensor(street):
    image, label = pixels(street / "images/00005D.png"), pixels(street / "labels/00005D.png")
    sample = WholeTiles(open_mf_street(street).tiles("test"))[0]
    assert torch.equal(
        (sample["optical"] * 255).round(), torch.from_numpy(image[..., :3]).permute(2, 0, 1).float()
    )
    assert torch.equal(
        (sample["thermal"] * 255).round(), torch.from_numpy(image[None, ..., 3]).float()
    )
    assert torch.equal(sample["label"], torch.from_numpy(label).long())


@pytest.mark.parametrize("fill", [0, 255, "both"])
@pytest.mark.parametrize("cache", [False, True])
def test_the_fourth_channel_never_hides_anything(street, fill, cache):
    """A frame of one temperature, or of two, looks like opacity to every other reader of PNG."""
    for path in (street / "images").iterdir():
        image = pixels(path)
        image[..., 3] = np.arange(image.shape[1]) % 2 * 255 if fill == "both" else fill
        save(path, image)
    data = open_mf_street(street)
    report = check_dataset(street)
    assert report.ok
    assert not report.notes
    for sensors in (("optical", "thermal"), ("optical",), ("thermal", "optical")):
        crops = RandomCrops(
            data.tiles("train"),
            16,
            sensors,
            length=3,
            cache=cache,
            valid=True,
            nodata_policy="any",
        )
        for sample in crops:
            assert sample["valid"].all()
            assert (sample["label"] != IGNORE_INDEX).all()
            assert (sample["optical"] > 0).all()
            if "thermal" in sample:
                assert set(sample["thermal"].unique().tolist()) <= {0.0, 1.0}
                assert sample["thermal"].shape == (1, 16, 16)


def test_bands_may_be_chosen(street):
    four = open_dataset(street, sensors=["optical"], optical_bands=(1, 2, 3, 4))
    sample = WholeTiles(four.tiles("test"))[0]
    both = WholeTiles(open_dataset(street).tiles("test"))[0]
    assert torch.equal(sample["optical"], torch.cat([both["optical"], both["thermal"]]))


def test_background_is_scored_unless_it_is_said_otherwise(street):
    counts = check_dataset(street).counts()["train"]
    assert set(counts) == set(range(9))
    background = counts[0]
    (street / "dataset.json").write_text(json.dumps({"label_values": {"0": "ignore"}}))
    counts = check_dataset(street).counts()["train"]
    assert counts[IGNORE_INDEX] == background
    assert 0 not in counts


def test_mirrored_copies_are_left_out_wherever_they_are_named(tmp_path):
    street = make_mf_street(tmp_path / "set", flips=True)
    names = ["00001D", "00001D_flip", "images/00002D_flip.png", "00002D"]
    write_list(street / "train.txt", names)
    data = open_dataset(street)
    assert [tile.id for tile in data.tiles("train")] == ["00001D", "00002D"]
    assert "mirrored copies" in data.notes[0]
    assert check_dataset(street).ok
    for name in ("train", "val", "test", "test_day", "test_night"):
        (street / f"{name}.txt").unlink()
    alone = open_dataset(street)
    assert len(alone.tiles("train")) == 6
    assert not any("flip" in tile.id for tile in alone.tiles("train"))
    assert any("all tiles form one split" in note for note in alone.notes)
    make_mf_street(tmp_path / "plain")
    write_list(tmp_path / "plain" / "val.txt", ["00004N_flip", "00004N"])
    plain = open_dataset(tmp_path / "plain")
    assert [tile.id for tile in plain.tiles("val")] == ["00004N"]


def test_lists_as_windows_writes_them(street):
    write_list(
        street / "train.txt", ["", "images\\00001D.png", "  ", "00002D ", "00002D", ""], "\r\n"
    )
    assert [tile.id for tile in open_dataset(street).tiles("train")] == ["00001D", "00002D"]


@pytest.mark.parametrize("folders", [("RGB", "Modal", "Label"), ("rgb", "thermal", "labels")])
def test_channels_in_folders_of_their_own(street, tmp_path, folders):
    apart = split_channels(street, tmp_path / "MFNet", folders)
    data = open_dataset(apart)
    assert data.kind == "mf_street"
    assert check_dataset(apart).ok
    first = WholeTiles(open_dataset(street).tiles("test"))[0]
    second = WholeTiles(data.tiles("test"))[0]
    assert torch.equal(first["thermal"], second["thermal"])
    assert torch.equal(first["label"], second["label"])
    assert second["optical"].shape == first["optical"].shape


def test_both_layouts_in_one_folder_and_two_folders_of_one_purpose(street):
    split_channels(street, street, ("RGB", "Thermal", "labels"))
    assert "images/ is read, RGB/ and Thermal/ are not" in open_dataset(street).notes
    (street / "label").mkdir()
    with pytest.raises(ValueError, match="holds label/ and labels/: expected one of them"):
        open_dataset(street)
    assert "expected one of them" in check_dataset(street).problems[0].problem


def test_labels_with_a_colour_table(street):
    for path in (street / "labels").iterdir():
        image = Image.fromarray(pixels(path), "P")
        image.putpalette([band for colour in PALETTE for band in colour])
        image.save(path)
    label = WholeTiles(open_dataset(street).tiles("test"))[0]["label"]
    assert torch.equal(label, torch.from_numpy(pixels(street / "labels/00005D.png")).long())
    reverse = Image.fromarray(8 - pixels(street / "labels/00005D.png"), "P")
    reverse.putpalette([band for colour in PALETTE[::-1] for band in colour])
    reverse.save(street / "labels/00005D.png")
    assert torch.equal(WholeTiles(open_dataset(street).tiles("test"))[0]["label"], label)


def test_faults_are_named(street):
    (street / "labels/00001D.png").unlink()
    save(street / "images/00005D.png", np.full((24, 30, 4), 9, np.uint8))
    save(street / "labels/00006N.png", np.full((24, 32), 9, np.uint8))
    save(street / "images/00004N.png", np.full((24, 32, 3), 9, np.uint8))
    write_list(street / "val.txt", ["00004N", "09999D"])
    (street / "images" / "Thumbs.db").write_bytes(b"x")
    said = [str(problem) for problem in check_dataset(street).problems]
    for words in (
        "00001D.png: missing partner: no label of this name",
        "train.txt: lists 00001D, which has no complete set of files",
        "val.txt: lists 09999D, which has no complete set of files",
        "24 x 32 pixels instead of 24 x 30",
        "holds 1 unknown label value: 9 (768 px)",
        "wrong band count: 3 bands, expected 4",
    ):
        assert any(words in line for line in said), (words, said)
    assert not any("Thumbs" in line for line in said)
    with pytest.raises(FileNotFoundError, match="missing partner"):
        open_dataset(street).tiles("train")


def test_a_tile_in_two_lists_is_a_fault(street):
    write_list(street / "test.txt", ["00005D", "00001D"])
    problems = check_dataset(street).problems
    assert "test.txt: lists 1 tile that train.txt lists, too, such as 00001D" in str(problems[0])
    write_list(street / "test.txt", ["00005D", "00004N"])
    assert check_dataset(street).ok
    assert any("val.txt lists, too" in note for note in open_dataset(street).notes)


def test_sixteen_bits_ask_for_their_range(street, tmp_path):
    apart = split_channels(street, tmp_path / "x")
    for path in (apart / "Modal").iterdir():
        save(path, pixels(path).astype(np.uint16) * 40)
    said = [str(problem) for problem in check_dataset(apart).problems]
    assert any('"sensors": {"thermal": {"scale": 10000}}' in line for line in said)
    (apart / "dataset.json").write_text(json.dumps({"sensors": {"thermal": {"scale": 10200}}}))
    assert check_dataset(apart).ok
    sample = WholeTiles(open_dataset(apart).tiles("test"))[0]
    assert torch.allclose(
        sample["thermal"], WholeTiles(open_dataset(street).tiles("test"))[0]["thermal"]
    )


def test_what_is_no_street_set(tmp_path):
    save(tmp_path / "images" / "a.png", np.zeros((4, 4, 4), np.uint8))
    save(tmp_path / "labels" / "a.png", np.zeros((4, 4), np.uint8))
    assert detect_kind(tmp_path) is None
    assert open_dataset(tmp_path, "mf_street").tiles("all")[0].id == "a"
    with pytest.raises(FileNotFoundError, match="is not the MFNet street set"):
        open_mf_street(tmp_path / "images")


def test_gopt_trains_scores_and_maps_from_one_png(street, tmp_path):
    """Two steps on colours and heat; the map of a single file of four channels; and without the heat."""
    torch.manual_seed(0)
    sizes = SamConfig(
        image_size=64, patch_size=8, width=16, depth=2, heads=2, window=4, global_blocks=(1,)
    )
    backbone, run = tmp_path / "sam.pth", tmp_path / "run"
    torch.save(build_sam(sizes).state_dict(), backbone)

    def call(*arguments: object):
        result = CliRunner().invoke(app, [str(a) for a in arguments])
        assert result.exit_code == 0, result.output
        return result

    call(
        "train", street, "--model", "gopt", "--backbone", backbone, "--sensors", "optical,thermal",
        "--prompters", 1, "--bottleneck", 4, "--groups", 3, "--head", "linear", "--auxiliary", "embed",
        "--out", run, "--steps", 2, "--batch", 1, "--size", 32, "--device", "cpu",
    )  # fmt: skip
    night = json.loads(
        call("evaluate", run, street, "--split", "test_night", "--json", "--device", "cpu").stdout
    )
    assert set(night["per_class"]) == set(CLASSES)
    image = street / "images/00005D.png"
    heat = f"thermal={image}"
    call("predict", run, "--optical", image, "--sensor", heat, "--out", tmp_path / "a.tif")
    one = call("predict", run, "--optical", image, "--out", tmp_path / "b.tif")
    assert "note: thermal is read from band 4 of" in one.stderr
    assert np.array_equal(pixels(tmp_path / "a.tif"), pixels(tmp_path / "b.tif"))
    assert pixels(tmp_path / "a.tif").max() < 9  # no pixel is hidden
    stated = tmp_path / "dataset.json"
    stated.write_text("{}")
    call("predict", run, "--optical", image, "--out", tmp_path / "c.tif", "--dataset-json", stated)
    assert np.array_equal(pixels(tmp_path / "a.tif"), pixels(tmp_path / "c.tif"))
    save(tmp_path / "rgb.png", pixels(image)[..., :3])
    part = call("predict", run, "--optical", tmp_path / "rgb.png", "--out", tmp_path / "d.tif")
    assert "no raster was given for thermal" in part.stderr
