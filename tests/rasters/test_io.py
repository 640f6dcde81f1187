from __future__ import annotations

import numpy as np
import pytest
import rasterio
from PIL import Image
from rasterio.transform import Affine

from mfnet_lite.rasters import Raster, Window, open_raster, raster_info, read_raster, write_raster
from mfnet_lite.rasters.rgb import Stretch, read_rgb

RNG = np.random.default_rng(0)


def test_round_trip_keeps_every_fact(tmp_path):
    array = RNG.integers(0, 1000, (2, 30, 20), dtype=np.uint16)
    transform = Affine(0.25, 0, 500_000, 0, -0.25, 5_800_000)
    path = write_raster(
        tmp_path / "deep" / "a.tif",
        array,
        crs="EPSG:25832",
        transform=transform,
        nodata=0,
        descriptions=["near", "far"],
    )
    raster = read_raster(path)
    np.testing.assert_array_equal(raster.array, array)
    assert raster.crs.to_epsg() == 25832
    assert raster.transform == transform
    assert raster.nodata == 0
    assert raster.descriptions == ("near", "far")
    again = read_raster(write_raster(tmp_path / "b.tif", array[:1], like=raster))
    assert (again.crs, again.transform) == (raster.crs, raster.transform)


def test_window_has_its_own_transform(tmp_path):
    array = np.arange(30 * 20, dtype=np.float32).reshape(30, 20)
    path = write_raster(
        tmp_path / "a.tif", array, crs="EPSG:25832", transform=Affine(2, 0, 100, 0, -2, 200)
    )
    part = read_raster(path, Window(4, 3, 5, 6), bands=(1,))
    np.testing.assert_array_equal(part.array[0], array[4:9, 3:9])
    assert (part.transform.c, part.transform.f) == (106, 192)


@pytest.mark.parametrize(
    "window",
    [
        Window(-2, 0, 10, 10),
        Window(0, -1, 10, 10),
        Window(25, 0, 10, 10),
        Window(0, 15, 10, 10),
        Window(40, 0, 4, 4),
        Window(8, 8, -2, 4),
    ],
)
def test_a_window_lies_inside_or_is_refused(tmp_path, window):
    array = np.arange(30 * 20, dtype=np.float32).reshape(30, 20)
    path = write_raster(
        tmp_path / "a.tif", array, crs="EPSG:25832", transform=Affine(2, 0, 100, 0, -2, 200)
    )
    message = r"a\.tif has 30 rows and 20 columns, but Window.* was asked for: expected a window inside; cut it"
    with pytest.raises(ValueError, match=message):
        read_raster(path, window)
    with pytest.raises(ValueError, match=message):
        read_rgb(path, Stretch.of(path, (1,)), window)
    cut = window.inside(30, 20)
    part = read_raster(path, cut)
    np.testing.assert_array_equal(part.array[0], array[cut.slices])
    assert (part.transform.c, part.transform.f) == (100 + 2 * cut.col, 200 - 2 * cut.row)
    np.testing.assert_array_equal(read_raster(path, Window(0, 0, 30, 20)).array[0], array)


def test_four_byte_bands_are_not_opacity(tmp_path):
    array = RNG.integers(0, 255, (4, 300, 300), dtype=np.uint8)
    array[3, :10] = 0  # near infrared of water
    path = write_raster(tmp_path / "a.tif", array)
    with open_raster(path) as source:
        assert source.colorinterp[3].name != "alpha"
        assert source.profile["tiled"]
        assert source.compression.name == "deflate"
        assert (source.dataset_mask() == 255).all()


def test_alpha_of_other_writers_is_no_mask(tmp_path):
    array = RNG.integers(1, 255, (4, 20, 20), dtype=np.uint8)
    array[3, :10] = 0
    transform = Affine(1, 0, 0, 0, -1, 20)
    profile = {"driver": "GTiff", "height": 20, "width": 20, "count": 4, "dtype": "uint8"}
    with rasterio.open(tmp_path / "a.tif", "w", transform=transform, **profile) as target:
        target.write(array)
        assert target.colorinterp[3].name == "alpha"
    assert read_raster(tmp_path / "a.tif").valid.all()


def test_palette(tmp_path):
    label = np.array([[0, 1], [2, 255]], np.uint8)
    colours = [(255, 255, 255), (0, 0, 255), (0, 255, 255)]
    raster = read_raster(write_raster(tmp_path / "a.tif", label, palette=colours, nodata=255))
    assert [raster.colours[i] for i in range(3)] == colours
    np.testing.assert_array_equal(raster.array[0], label)
    assert raster.valid.tolist() == [[True, True], [True, False]]


def test_valid_mask_rules():
    array = np.array([[[0, 0, 5, 5]], [[0, 7, 5, 5]]], np.float32)
    array[1, 0, 3] = np.inf
    # Nodata counts only if it is in all bands; an infinity in any band does.
    assert Raster(array, nodata=0).valid.tolist() == [[False, True, True, False]]
    assert Raster(array.clip(0, 9).astype(np.uint8), nodata=-9999).valid.all()
    lowest = np.finfo(np.float32).min
    assert not Raster(np.full((1, 1, 1), lowest), nodata=float(lowest)).valid.any()
    own = np.array([[True, False, True, True]])
    assert Raster(array[:1], mask=own).valid.tolist() == own.tolist()


def test_file_with_internal_mask(tmp_path):
    profile = {"driver": "GTiff", "height": 8, "width": 8, "count": 1, "dtype": "uint8"}
    mask = np.full((8, 8), 255, np.uint8)
    mask[:3] = 0
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
        rasterio.open(
            tmp_path / "a.tif", "w", transform=Affine(1, 0, 0, 0, -1, 8), **profile
        ) as target,
    ):
        target.write(np.ones((1, 8, 8), np.uint8))
        target.write_mask(mask)
    np.testing.assert_array_equal(read_raster(tmp_path / "a.tif").valid, mask > 0)


def test_images_without_georeference(tmp_path):
    array = RNG.integers(0, 255, (9, 7, 3), dtype=np.uint8)
    Image.fromarray(array).save(tmp_path / "a.png")
    info = raster_info(tmp_path / "a.png")
    assert (info.bands, info.height, info.width) == (3, 9, 7)
    assert info.crs is info.transform is info.gsd is None
    np.testing.assert_array_equal(read_raster(tmp_path / "a.png").array, array.transpose(2, 0, 1))


def test_gsd_in_metres_also_for_degrees(tmp_path):
    one = np.zeros((4, 4), np.uint8)
    degrees = write_raster(
        tmp_path / "a.tif", one, crs="EPSG:4326", transform=Affine(1e-4, 0, 10, 0, -1e-4, 50)
    )
    # A degree of longitude is 111.32 km on the equator and cos 50° of that here.
    assert raster_info(degrees).gsd == pytest.approx(11.132 * np.cos(np.radians(50)), rel=1e-4)


@pytest.mark.parametrize("suffix", ["tif", "png", "jpg"])
def test_truncated_file_is_named(tmp_path, suffix):
    array = RNG.integers(0, 255, (200, 200, 3), dtype=np.uint8)
    path = tmp_path / f"a.{suffix}"
    if suffix == "tif":
        write_raster(path, array.transpose(2, 0, 1))
    else:
        Image.fromarray(array).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(ValueError, match=rf"a\.{suffix} cannot be read .*copy or export it again"):
        read_raster(path)


def test_missing_file_and_band(tmp_path):
    with pytest.raises(FileNotFoundError, match="does not exist"):
        read_raster(tmp_path / "no.tif")
    path = write_raster(tmp_path / "a.tif", np.zeros((2, 5, 5), np.uint8))
    with pytest.raises(ValueError, match=r"has 2 bands, but bands \(3,\)"):
        read_raster(path, bands=(3,))


def test_pages_are_no_bands(tmp_path):
    """Five bands written by tifffile as five pages, of which GDAL opens the first."""
    tifffile = pytest.importorskip("tifffile")
    tifffile.imwrite(tmp_path / "a.tif", RNG.integers(0, 255, (5, 20, 30), dtype=np.uint8))
    with pytest.raises(ValueError, match=r"a\.tif holds 5 images .* rio stack"):
        raster_info(tmp_path / "a.tif")


def test_nodata_of_six_digits_is_the_lowest_number():
    array = np.array([[[1.0, np.finfo(np.float32).min]]], np.float32)
    assert Raster(array, nodata=-3.40282e38).valid.tolist() == [[True, False]]
    assert Raster(-array, nodata=3.4e38).valid.tolist() == [[True, False]]


def test_which_width_of_a_pixel_counts(tmp_path):
    pixels, place = np.zeros((4, 4), np.uint8), Affine(0.5, 0, 0, 0, -0.5, 0)
    placed, with_transform, plain = (
        raster_info(write_raster(tmp_path / f"{i}.tif", pixels, **facts))
        for i, facts in enumerate(
            ({"crs": "EPSG:25832", "transform": place}, {"transform": place}, {})
        )
    )
    infos = (placed, with_transform, plain)
    assert [info.ground_sampling(2) for info in infos] == [0.5, 2, 2]
    assert [info.ground_sampling(3, measured=True) for info in infos] == [0.5, 0.5, 3]
    assert [info.ground_sampling() for info in infos] == [0.5, 0.5, None]
