from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from rasterio import Affine

from mfnet_lite.rasters import (
    WholeTiles,
    check_dataset,
    open_dataset,
    open_potsdam,
    open_vaihingen,
    write_raster,
)
from mfnet_lite.rasters.readers.isprs import PALETTE, POTSDAM, VAIHINGEN
from mfnet_lite.rasters.tiles import with_sensors

INDEX = np.repeat(np.arange(6), 4).reshape(4, 6)
TRUTH = np.array(PALETTE, np.uint8)[INDEX].transpose(2, 0, 1)
ERODED = TRUTH.copy()
ERODED[:, :, 3] = 0


def write_vaihingen(root, areas):
    for area in areas:
        name = f"top_mosaic_09cm_area{area}"
        write_raster(root / "top" / f"{name}.tif", np.full((3, 4, 6), int(area), np.uint8))
        dsm = np.linspace(250, 280, 24, dtype=np.float32).reshape(4, 6)
        write_raster(root / "dsm" / f"dsm_09cm_matching_area{area}.tif", dsm)
        write_raster(root / "gts_for_participants" / f"{name}.tif", TRUTH)
        write_raster(root / "gts_eroded_for_participants" / f"{name}_noBoundary.tif", ERODED)


def write_potsdam(root, tiles, bands="RGBIR"):
    for tile in tiles:
        row, col = (int(part) for part in tile.split("_"))
        image = np.stack(
            [
                np.full((4, 6), 10 * (b + 1), np.uint8)
                for b in range(len(bands[:3]) + ("IR" in bands[3:]))
            ]
        )
        write_raster(root / "4_Ortho" / f"top_potsdam_{tile}_{bands}.tif", image)
        (root / "1_DSM_normalisation").mkdir(parents=True, exist_ok=True)
        name = f"dsm_potsdam_{row:02d}_{col:02d}_normalized_lastools.jpg"
        Image.fromarray(np.full((4, 6), 51, np.uint8)).save(root / "1_DSM_normalisation" / name)
        write_raster(root / "5_Labels" / f"top_potsdam_{tile}_label.tif", TRUTH)
        write_raster(root / "5_Eroded" / f"top_potsdam_{tile}_label_noBoundary.tif", ERODED)


def test_official_splits_have_the_papers_sizes():
    sizes = [len(ids.split()) for part in (VAIHINGEN, POTSDAM) for ids in part.values()]
    assert sizes == [12, 4, 18, 6]
    for part in (VAIHINGEN, POTSDAM):
        assert not set(part["train"].split()) & set(part["test"].split())


def test_vaihingen_in_folders_named_after_the_archives(tmp_path):
    write_vaihingen(tmp_path / "made", ["1", "3", "5"])
    unpacked = tmp_path / "ISPRS_semantic_labeling_Vaihingen"
    unpacked.mkdir()
    for name in ("top", "dsm"):
        (tmp_path / "made" / name).rename(unpacked / name)
    for made, archive in (("gts_for", ""), ("gts_eroded_for", "_eroded")):
        place = tmp_path / f"ISPRS_semantic_labeling_Vaihingen_ground_truth{archive}_COMPLETE"
        (tmp_path / "made" / f"{made}_participants").rename(place)
    data = open_dataset(tmp_path)
    assert check_dataset(tmp_path, progress=False).ok
    (tile,) = data.tiles("test")
    assert tile.files["optical"].parent.name == "top"
    assert tile.label.name.endswith("_noBoundary.tif")
    assert {tile.label.parent.name for tile in data.tiles("train")} == {
        "ISPRS_semantic_labeling_Vaihingen_ground_truth_COMPLETE"
    }


def test_vaihingen(tmp_path):
    write_vaihingen(tmp_path, ["1", "3", "11", "5", "2"])
    data = open_dataset(tmp_path)
    assert data.kind == "vaihingen"
    assert [tile.id for tile in data.tiles("test")] == ["5"]
    assert [tile.id for tile in data.tiles("other")] == ["2"]
    plain = open_vaihingen(tmp_path, val_fraction=0)
    assert [tile.id for tile in plain.tiles("train")] == ["1", "3", "11"]
    train = WholeTiles(plain.tiles("train"), scaling="minmax")[2]
    np.testing.assert_array_equal(train["label"], INDEX)
    assert train["optical"][0, 0, 0] == pytest.approx(11 / 255)
    assert (train["dsm"].min(), train["dsm"].max()) == (0, 1)
    test = WholeTiles(plain.tiles("test"))[0]["label"].numpy()
    assert (test[:, 3] == 255).all()
    np.testing.assert_array_equal(np.delete(test, 3, 1), np.delete(INDEX, 3, 1))
    full = open_vaihingen(tmp_path, eroded=())
    np.testing.assert_array_equal(WholeTiles(full.tiles("test"))[0]["label"], INDEX)
    report = check_dataset(tmp_path)
    assert report.ok, report.problems
    assert report.counts()["test"] == {0: 3, 1: 4, 2: 3, 3: 3, 4: 4, 5: 3, 255: 4}


def test_potsdam_names_bands_and_eight_bit_heights(tmp_path):
    write_potsdam(tmp_path, ["2_10", "6_7", "4_10"])
    data = open_dataset(tmp_path)
    assert data.kind == "potsdam"
    sample = WholeTiles(data.tiles("test"))[0]
    assert sample["optical"][:, 0, 0].mul(255).round().tolist() == [10, 20, 30]
    assert sample["dsm"].unique().tolist() == [pytest.approx(0.2)]
    irrg = open_potsdam(tmp_path, ["optical"], optical_bands=(4, 1, 2))
    sample = WholeTiles(irrg.tiles("test"))[0]
    assert sample["optical"][:, 0, 0].mul(255).round().tolist() == [40, 10, 20]
    assert check_dataset(tmp_path).ok


def test_potsdam_raw_elevation(tmp_path):
    write_potsdam(tmp_path, ["2_10"], bands="RGB")
    with pytest.raises(FileNotFoundError, match="no dsm"):
        open_potsdam(tmp_path, dsm="raw").tiles("train")
    dsm = np.full((4, 6), 80, np.float32)
    write_raster(tmp_path / "1_DSM" / "dsm_potsdam_02_10.tif", dsm)
    tile = open_potsdam(tmp_path, dsm="raw").tiles("train")[0]
    assert tile.files["dsm"].name == "dsm_potsdam_02_10.tif"


def test_unknown_colour(tmp_path):
    write_vaihingen(tmp_path, ["1"])
    noisy = TRUTH.copy()
    noisy[:, 0, 0] = 254
    name = "top_mosaic_09cm_area1.tif"
    write_raster(tmp_path / "gts_for_participants" / name, noisy)
    with pytest.raises(
        ValueError, match=rf"{name} holds 1 unknown label colour.*\(1 px\).*clutter"
    ):
        WholeTiles(open_vaihingen(tmp_path).tiles("train"))[0]
    for word, index in (("clutter", 5), ("ignore", 255)):
        data = open_vaihingen(tmp_path, unknown=word)
        assert WholeTiles(data.tiles("train"))[0]["label"][0, 0] == index
        assert check_dataset(tmp_path, unknown=word).ok
    assert not check_dataset(tmp_path).ok


def test_missing_partner_and_missing_erosion(tmp_path):
    write_vaihingen(tmp_path, ["1", "5"])
    (tmp_path / "gts_eroded_for_participants" / "top_mosaic_09cm_area1_noBoundary.tif").unlink()
    (tmp_path / "gts_eroded_for_participants" / "top_mosaic_09cm_area5_noBoundary.tif").unlink()
    data = open_vaihingen(tmp_path)
    assert "no eroded one" in data.notes[0]
    np.testing.assert_array_equal(WholeTiles(data.tiles("test"))[0]["label"], INDEX)
    (tmp_path / "dsm" / "dsm_09cm_matching_area1.tif").unlink()
    with pytest.raises(FileNotFoundError, match="area 1 has no dsm"):
        open_vaihingen(tmp_path).tiles("train")


def test_refusals(tmp_path):
    for reader in (open_vaihingen, open_potsdam):
        with pytest.raises(FileNotFoundError, match="original file names"):
            reader(tmp_path)
        with pytest.raises(ValueError, match="unknown='closest'"):
            reader(tmp_path, unknown="closest")
    with pytest.raises(ValueError, match="unknown optical"):
        open_potsdam(tmp_path, optical="CIR")
    with pytest.raises(ValueError, match="unknown dsm"):
        open_potsdam(tmp_path, dsm="none")


def test_the_files_own_pixel_size_counts(tmp_path):
    write_vaihingen(tmp_path / "plain", ["1"])
    assert open_dataset(tmp_path / "plain").info.gsd == 0.09
    write_vaihingen(tmp_path / "placed", ["1"])
    top = tmp_path / "placed" / "top" / "top_mosaic_09cm_area1.tif"
    place = {"crs": "EPSG:25832", "transform": Affine(0.25, 0, 0, 0, -0.25, 0)}
    write_raster(top, np.ones((3, 4, 6), np.uint8), **place)
    assert open_dataset(tmp_path / "placed").info.gsd == 0.25


def test_a_tile_that_lies_in_two_folders_is_told(tmp_path):
    """nshaud/DeepNetsForEO#27: both archives of labels unpacked side by side."""
    write_potsdam(tmp_path, ["2_10", "4_10"])
    write_raster(tmp_path / "5_Labels_old" / "top_potsdam_2_10_label.tif", TRUTH[:, ::-1])
    opened = open_potsdam(tmp_path)
    (note,) = [note for note in opened.notes if "2_10_label.tif" in note]
    assert note.endswith("that of 5_Labels_old/ is used")
    assert opened.tiles("train")[0].label.parent.name == "5_Labels_old"


def test_other_descriptions_of_sensors_leave_every_tile_its_own_labels(tmp_path):
    """Some tiles of Potsdam hold colours of no class, which are read as the nearest; others refuse them."""
    write_potsdam(tmp_path, ["4_10", "6_7"])
    opened = open_potsdam(tmp_path)
    again = with_sensors(opened, opened.info.sensors)
    codings = [
        {tile.id: tile.info.coding for tiles in data.splits.values() for tile in tiles}
        for data in (opened, again)
    ]
    assert codings[0] == codings[1]
    assert {c.unknown for c in codings[0].values()} == {None, "nearest"}
