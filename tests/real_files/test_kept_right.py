"""Situations of public threads that come out right and have to stay so, and two that are told."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch
from PIL import Image
from rasterio.crs import CRS
from rasterio.enums import ColorInterp
from rasterio.transform import Affine
from torch import nn

from mfnet_lite.rasters import WholeTiles, check_dataset, check_grid, open_dataset
from mfnet_lite.tuning import attach_lora
from tests.real_files.makers import PLACE, SHORT, call, three_tiles, tif

N = 32
LABEL = np.arange(N * N, dtype=np.uint8).reshape(N, N) % 3


def image(bands: int = 3) -> np.ndarray:
    return np.random.default_rng(0).integers(1, 255, (bands, N, N), np.uint8)


def dataset(root: Path, bands: int = 3) -> Path:
    def write(folder: Path, name: str, _: int) -> None:
        tif(folder / "image" / name, image(bands))
        tif(folder / "label" / name, LABEL)

    return three_tiles(root, write, {"classes": ["ground", "road", "roof"]})


@pytest.mark.parametrize(
    "dtype", ["int8", "uint8", "uint16", "int16", "int32", "int64", "float32", "float64"]
)
def test_classes_are_the_same_in_every_type(tmp_path, dtype):
    """Junjue-Wang/EarthVQA#4, open-mmlab/mmsegmentation#1050."""
    root = dataset(tmp_path / "d")
    tif(root / "test" / "label" / "c.tif", LABEL.astype(dtype))
    assert np.array_equal(WholeTiles(open_dataset(root).tiles("test"))[0]["label"], LABEL)


@pytest.mark.parametrize("bits", [2, 4])
def test_classes_are_the_same_in_few_bits_and_three_equal_bands(tmp_path, bits):
    root = dataset(tmp_path / "d")
    path = root / "test" / "label" / "c.tif"
    profile = {"driver": "GTiff", "height": N, "width": N, "count": 1, "dtype": "uint8"}
    with rasterio.open(path, "w", **profile, NBITS=bits, crs="EPSG:25832", transform=PLACE) as out:
        out.write(LABEL, 1)
    assert np.array_equal(WholeTiles(open_dataset(root).tiles("test"))[0]["label"], LABEL)
    tif(path, np.stack([LABEL] * 3))
    assert np.array_equal(WholeTiles(open_dataset(root).tiles("test"))[0]["label"], LABEL)


def test_files_beside_rasters_are_no_tiles(tmp_path):
    """scverse/spatialdata#536, torchgeo/torchgeo#424: copies of macOS, statistics, overviews, world files."""
    root = dataset(tmp_path / "d")
    for name in ("._a.tif", "a.tif.aux.xml", "a.tif.ovr", "a.tfw", "Thumbs.db"):
        (root / "train" / "image" / name).write_bytes(b"\0\1")
    (root / "train" / "image" / "b.tif").rename(root / "train" / "image" / "b.TIF")
    opened = open_dataset(root, val_fraction=0.0)
    assert [tile.id for tile in opened.tiles("train")] == ["a", "b"]


@pytest.mark.parametrize(
    ("picture_crs", "dsm_crs"),
    [
        ("EPSG:32632", CRS.from_epsg(32632).to_wkt(version="WKT1_ESRI")),
        ("EPSG:4326", "OGC:CRS84"),
        ("EPSG:32632", "+proj=utm +zone=32 +datum=WGS84 +units=m +no_defs"),
    ],
)
def test_systems_in_other_words_are_accepted(tmp_path, picture_crs, dsm_crs):
    """rasterio/rasterio#2970 and #1156."""
    paths = {
        "optical": tif(tmp_path / "a.tif", image(), crs=picture_crs),
        "dsm": tif(tmp_path / "b.tif", np.ones((N, N), np.float32), crs=dsm_crs),
    }
    assert set(check_grid(paths)) == {"optical", "dsm"}


def test_noise_in_the_tenth_digit_is_no_shift(tmp_path):
    """OSGeo/gdal#4572: origins and steps that went through text."""
    wide = np.ones((4, 20_000), np.uint8)
    exact = Affine(0.1, 0, 500_000, 0, -0.1, 5_800_000)
    noisy = Affine(0.1 * (1 + 1e-10), 0, 500_000 * (1 + 1e-12), 0, -0.1, 5_800_000)
    half = Affine(0.1, 0, 500_000.05, 0, -0.1, 5_800_000)
    first = tif(tmp_path / "a.tif", wide, transform=exact)
    check_grid({"a": first, "b": tif(tmp_path / "b.tif", wide, transform=noisy)})
    with pytest.raises(ValueError, match=r"0\.50 pixels off"):
        check_grid({"a": first, "b": tif(tmp_path / "c.tif", wide, transform=half)})


def test_dates_of_other_types_come_to_the_same_values(tmp_path):
    """weecology/DeepForest#728 for pairs: one date in bytes, the other in floats up to 1."""
    root = tmp_path / "d"
    for k in range(2):
        tif(root / "A" / f"{k}.tif", image())
        tif(root / "B" / f"{k}.tif", image().astype(np.float32) / 255)
        tif(root / "label" / f"{k}.tif", (LABEL > 1).astype(np.uint8))
    sample = WholeTiles(open_dataset(root).tiles("test"))[0]
    assert torch.allclose(sample["before"], sample["after"], atol=1e-6)


def test_opacity_is_not_taken_for_near_infrared(tmp_path):
    """microsoft/PlanetaryComputer#82, obss/sahi#187: a run on four bands, a scene with opacity as its fourth."""
    root = dataset(tmp_path / "d", bands=4)
    run = tmp_path / "run"
    assert call("train", root, "--out", run, *SHORT).exit_code == 0
    rgba = image(4)
    rgba[3] = 255
    scene = tmp_path / "rgba.tif"
    profile = {"driver": "GTiff", "height": N, "width": N, "count": 4, "dtype": "uint8"}
    with rasterio.open(scene, "w", **profile, crs="EPSG:25832", transform=PLACE) as out:
        out.colorinterp = (
            ColorInterp.red,
            ColorInterp.green,
            ColorInterp.blue,
            ColorInterp.alpha,
        )
        out.write(rgba)
    result = call("predict", run, "--optical", scene, "--out", tmp_path / "m.tif")
    assert result.exit_code == 1
    assert "(its band 4 is opacity) has 3 bands of optical" in result.stderr
    for path in sorted((root / "train" / "image").iterdir()):
        path.write_bytes(scene.read_bytes())
    result = call("evaluate", run, root, "--split", "train")
    assert result.exit_code == 1
    assert "(its band 4 is opacity) has 3 bands of optical" in result.stderr


def test_change_masks_that_declare_255_as_nodata(tmp_path):
    """ASFHyP3/hyp3-gamma#266: the changed class would vanish."""
    root = tmp_path / "d"
    for k in range(3):
        tif(root / "A" / f"{k}.tif", image())
        tif(root / "B" / f"{k}.tif", image()[::-1].copy())
        tif(root / "label" / f"{k}.tif", np.where(LABEL > 1, 255, 0).astype(np.uint8), nodata=255)
    result = call("train", root, "--out", tmp_path / "run", *SHORT)
    assert result.exit_code == 1
    assert "nodata" in result.stderr
    assert check_dataset(root).problems


def test_measurements_stretched_over_a_scene_are_told(tmp_path):
    """dymaxionlabs/ap-latam#1, ucam-eo/tessera#17: percentiles of a mosaic are not those of its tiles."""
    root = dataset(tmp_path / "d")
    rng = np.random.default_rng(1)
    for split, name in (("train", "a"), ("train", "b"), ("test", "c")):
        tif(root / split / "sar" / f"{name}.tif", rng.normal(-10, 3, (N, N)).astype(np.float32))
    run = tmp_path / "run"
    trained = call("train", root, "--out", run, *SHORT, "--sensors", "optical,sar")
    assert trained.exit_code == 0, trained.output
    mapped = call(
        "predict", run, "--optical", root / "test/image/c.tif", "--sensor",
        f"sar={root / 'test/sar/c.tif'}", "--out", tmp_path / "m.tif",
    )  # fmt: skip
    assert "sar is stretched between the lowest and highest values of this scene" in mapped.stderr


def test_lora_in_torch_s_own_attention_acts():
    """helicalAI/helical#405, Baijiong-Lin/LoRA-Torch#3: its forward reads the weight and never calls the layer."""
    torch.manual_seed(0)
    attention = nn.MultiheadAttention(8, 2, batch_first=True)
    x = torch.rand(1, 5, 8)
    before = attention(x, x, x)[0]
    attach_lora(attention, ["out_proj"], rank=2)
    assert torch.equal(attention(x, x, x)[0], before)
    for name, parameter in attention.named_parameters():
        if parameter.requires_grad:
            nn.init.normal_(parameter)
            assert "lora" in name.lower()
    assert not torch.allclose(attention(x, x, x)[0], before)


def test_a_png_of_one_bit_is_a_label(tmp_path):
    root = dataset(tmp_path / "d")
    (root / "dataset.json").write_text(json.dumps({"classes": ["ground", "roof"]}))
    for path in root.glob("*/label/*.tif"):
        Image.fromarray(LABEL > 1).save(path.with_suffix(".png"))
        path.unlink()
    label = WholeTiles(open_dataset(root).tiles("test"))[0]["label"]
    assert np.array_equal(label, LABEL > 1)
