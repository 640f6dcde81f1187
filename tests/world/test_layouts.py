from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import rasterio

from mfnet_lite.world import (
    CLASSES,
    PALETTE,
    WorldConfig,
    make_pair,
    make_scene,
    write_folder,
    write_isprs,
    write_pairs,
)
from mfnet_lite.world.output import ORIGIN

FOLDERS = {
    "image": (3, "uint8"),
    "nir": (1, "uint8"),
    "dsm": (1, "float32"),
    "dtm": (1, "float32"),
    "sar": (1, "float32"),
    "thermal": (1, "float32"),
    "label": (1, "uint8"),
    "instances": (1, "uint16"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(
        tmp_path_factory.mktemp("w") / "world", tiles=4, size=64, seed=20, quiet=True
    )


def test_folder_has_every_sensor_of_every_tile(folder: Path) -> None:
    found = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*.tif"))
    places = {20: "train", 21: "train", 22: "val", 23: "test"}
    expected = [f"{s}/{f}/scene_{k:05d}.tif" for k, s in places.items() for f in FOLDERS]
    assert found == sorted(expected)
    assert not [p for p in folder.rglob("*") if p.name.endswith(".part")]


def test_folder_files_have_place_nodata_and_colours(folder: Path) -> None:
    for name, (bands, kind) in FOLDERS.items():
        with rasterio.open(folder / "val" / name / "scene_00022.tif") as file:
            assert (file.count, file.dtypes[0], file.shape) == (bands, kind, (64, 64)), name
            assert file.crs.to_epsg() == 25832
            assert file.res == (0.25, 0.25)
            assert file.bounds.left == ORIGIN[0] + 2 * 16  # the third tile of 16 m
            assert file.bounds.top == ORIGIN[1]
            assert file.nodata == (-9999.0 if name == "dsm" else None)
            if name == "label":
                table = file.colormap(1)
                assert [table[k][:3] for k in range(6)] == list(PALETTE)


def test_folder_holds_exactly_the_scene(folder: Path) -> None:
    scene = make_scene(23, size=64)
    read = {
        name: rasterio.open(folder / "test" / name / "scene_00023.tif").read() for name in FOLDERS
    }
    assert np.array_equal(read["image"], scene.optical[:3])
    assert np.array_equal(read["nir"][0], scene.optical[3])
    for name in ("dsm", "dtm", "sar", "thermal", "label", "instances"):
        assert np.array_equal(read[name][0], getattr(scene, name)), name


def test_dataset_json_says_what_a_reader_needs(folder: Path) -> None:
    info = json.loads((folder / "dataset.json").read_text(encoding="utf-8"))
    assert info["classes"] == list(CLASSES)
    assert info["palette"] == [list(c) for c in PALETTE]
    assert info["ignore_index"] == 255
    assert info["gsd_m"] == 0.25
    assert info["crs"] == "EPSG:25832"
    assert info["image_bands"] == ["red", "green", "blue"]
    assert info["sensors"]["optical"]["folder"] == "image"
    assert set(info["sensors"]) == {"optical", "nir", "dsm", "dtm", "sar", "thermal"}
    assert all({"folder", "bands", "dtype", "unit"} <= set(s) for s in info["sensors"].values())


def test_pairs_layout(tmp_path: Path) -> None:
    out = write_pairs(tmp_path / "pairs", tiles=3, size=96, seed=40, quiet=True)
    for split, seed in (("train", 40), ("val", 41), ("test", 42)):
        name = f"pair_{seed:05d}.tif"
        assert (out / split / "list.txt").read_text(encoding="utf-8") == name + "\n"
        pair = make_pair(seed, size=96)
        for date, scene in (("A", pair.before), ("B", pair.after)):
            with rasterio.open(out / split / date / name) as file:
                assert np.array_equal(file.read(), scene.optical[:3])
                assert file.crs.to_epsg() == 25832
        with rasterio.open(out / split / "label" / name) as file:
            label = file.read(1)
        assert set(np.unique(label)) <= {0, 255}
        assert np.array_equal(label == 255, pair.change)
    info = json.loads((out / "dataset.json").read_text(encoding="utf-8"))
    assert info["classes"] == ["unchanged", "changed"]
    assert {s["folder"] for s in info["sensors"].values()} == {"A", "B"}


def test_isprs_layout(tmp_path: Path) -> None:
    out = write_isprs(tmp_path / "isprs", areas=(1, 5), size=64, seed=2, quiet=True)
    assert sorted(p.relative_to(out).as_posix() for p in out.rglob("*.tif")) == sorted(
        name
        for k in (1, 5)
        for name in (
            f"top/top_mosaic_09cm_area{k}.tif",
            f"dsm/dsm_09cm_matching_area{k}.tif",
            f"gts_for_participants/top_mosaic_09cm_area{k}.tif",
            f"gts_eroded_for_participants/top_mosaic_09cm_area{k}_noBoundary.tif",
        )
    )
    scene = make_scene(3, size=64)

    def read(name: str) -> np.ndarray:
        with rasterio.open(out / name) as file:
            return np.asarray(file.read())

    assert np.array_equal(read("top/top_mosaic_09cm_area5.tif"), scene.optical[[3, 0, 1]])
    colours = np.moveaxis(read("gts_for_participants/top_mosaic_09cm_area5.tif"), 0, -1)
    assert np.array_equal(colours, np.asarray(PALETTE, np.uint8)[scene.label])
    eroded = np.moveaxis(
        read("gts_eroded_for_participants/top_mosaic_09cm_area5_noBoundary.tif"), 0, -1
    )
    black = (eroded == 0).all(axis=-1)
    assert 0.02 < black.mean() < 0.8
    assert np.array_equal(eroded[~black], colours[~black])
    dsm = read("dsm/dsm_09cm_matching_area5.tif")[0]
    assert np.array_equal(dsm[scene.dsm_valid], scene.dsm[scene.dsm_valid])
    assert dsm.min() > -100  # holes are filled


def test_config_reaches_the_files(tmp_path: Path) -> None:
    config = WorldConfig(dsm_error=0.0, domain="night")
    out = write_folder(tmp_path / "n", tiles=1, size=40, config=config, gsd=0.5, quiet=True)
    with rasterio.open(out / "train" / "dsm" / "scene_00000.tif") as file:
        assert np.array_equal(file.read(1), make_scene(0, 40, 0.5, config).dsm)
        assert file.res == (0.5, 0.5)


@pytest.mark.parametrize("write", [write_folder, write_pairs, write_isprs])
def test_a_folder_with_content_is_left_alone(tmp_path: Path, write: object) -> None:
    (tmp_path / "mine.txt").write_text("keep", encoding="utf-8")
    with pytest.raises(ValueError, match="holds 1 entries, expected a new or empty folder"):
        write(tmp_path, size=64)  # type: ignore[operator]
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]
    with pytest.raises(ValueError, match="is a file, expected a new or empty folder"):
        write(tmp_path / "mine.txt", size=64)  # type: ignore[operator]


def test_wrong_arguments_make_no_folder(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="size must be at least 32"):
        write_folder(tmp_path / "a", size=8)
    with pytest.raises(ValueError, match="tiles must be at least 1, got 0"):
        write_pairs(tmp_path / "a", tiles=0)
    with pytest.raises(ValueError, match="three shares that sum to 1"):
        write_folder(tmp_path / "a", splits=(0.5, 0.1, 0.1))
    assert not (tmp_path / "a").exists()
