"""Lines of Python in errors are followed as they stand: nothing is lost, and the file itself is left alone."""

from __future__ import annotations

import contextlib
import re

import numpy as np
import pytest
import rasterio
from PIL import Image
from rasterio.control import GroundControlPoint
from rasterio.enums import ColorInterp
from rasterio.rpc import RPC
from rasterio.transform import Affine
from rasterio.warp import transform_bounds

from mfnet_lite.cli.pixel_size import compare_gsd
from mfnet_lite.rasters.grids import grid_difference
from mfnet_lite.rasters.interpretation.interpret import interpret_for_view
from mfnet_lite.rasters.io import open_raster, raster_info
from mfnet_lite.rasters.labels.label_counts import OPAQUE
from mfnet_lite.rasters.orientation import check_upright, orientation
from mfnet_lite.rasters.remake import expand, invert, resample, turn, untag

PLACE = Affine(0.5, 0, 400_000, 0, -0.5, 5_700_000)
RANDOM = np.random.default_rng(0)
pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")


def full(path, array, mask=False, placed=True, **options):
    """A GeoTIFF that says as much of itself as one can."""
    array = array[None] if array.ndim == 2 else array
    place = {"crs": "EPSG:25832", "transform": PLACE} if placed else {}
    count, height, width = array.shape
    profile = {"driver": "GTiff", "count": count, "height": height, "width": width, **place}
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
        rasterio.open(path, "w", **profile, dtype=array.dtype.name, **options) as out,
    ):
        out.scales, out.offsets, out.units = [0.01] * count, [100.0] * count, ["metre"] * count
        for band in range(1, count + 1):
            out.set_band_description(band, f"band {band}")
            out.update_tags(band, SENSOR="x", STATISTICS_MAXIMUM="1")
        out.update_tags(FLIGHT="7")
        out.write(array)
        if mask:
            valid = np.full((height, width), 255, np.uint8)
            valid[0, :3] = 0
            out.write_mask(valid)
    return path


def follow(text, folder):
    """Run the line of a message in an empty folder, as it stands; every file beside it must stay what it was."""
    before = {p: p.read_bytes() for p in folder.iterdir() if p.is_file()}
    code = re.search(r"in Python: (from .*\))$", text.partition(", or drop")[0])
    assert code, text
    return run(code[1], folder, before)


def run(code, folder, before):
    place = folder / "empty"
    place.mkdir(exist_ok=True)
    with contextlib.chdir(place):
        exec(code, {})  # what the message says, in a place of its own
    assert before == {p: p.read_bytes() for p in folder.iterdir() if p.is_file()}
    (new,) = place.iterdir()
    return new


def said(path):
    """What a file says besides pixels and position."""
    with rasterio.open(path) as source:
        return (
            source.nodata,
            source.scales,
            source.offsets,
            source.units,
            source.descriptions,
            source.dtypes,
            source.colorinterp,
            source.tags(1).get("SENSOR"),
            source.tags().get("FLIGHT"),
        )


def pixels(path):
    with rasterio.open(path) as source:
        return source.read()


@pytest.mark.parametrize("placed", [True, False])
@pytest.mark.parametrize("kind", ["dsm", "bands"])
def test_a_full_file_is_resized_to_a_plain_picture(tmp_path, placed, kind):
    array = RANDOM.integers(0, 3000, (10, 15)).astype(np.int16)
    options = {"nodata": -5}
    if kind == "bands":
        array, options = RANDOM.integers(0, 60_000, (4, 10, 15)).astype(np.uint16), {"mask": True}
    path = full(tmp_path / "it's a file.tif", array, placed=placed, **options)
    Image.fromarray(np.ones((20, 30, 3), np.uint8)).save(tmp_path / "a.png")
    like = raster_info(tmp_path / "a.png")
    new = follow(grid_difference(raster_info(path), like).remedy, tmp_path)
    assert grid_difference(raster_info(new), like) is None
    assert said(new) == said(path)
    assert (pixels(new)[:, ::2, ::2] == pixels(path)).all()
    assert (pixels(new)[:, 1::2, 1::2] == pixels(path)).all()
    with rasterio.open(new) as source, rasterio.open(path) as old:
        assert source.bounds[:2] == old.bounds[:2] or not placed
        assert source.crs == old.crs
        assert source.transform.a == (0.25 if placed else 1)
        assert (source.dataset_mask()[::2, ::2] == old.dataset_mask()).all()
        assert source.dataset_mask()[0, 0] == (0 if kind == "bands" else 255)
    assert "STATISTICS_MAXIMUM" not in rasterio.open(new).tags(1)


def test_a_plain_picture_takes_the_position_of_the_other(tmp_path):
    path = full(tmp_path / "dsm.tif", np.ones((20, 30), np.uint8))
    colours = RANDOM.integers(0, 256, (10, 15, 3), np.uint8)
    Image.fromarray(colours).save(tmp_path / "a.tif")
    new = follow(
        grid_difference(raster_info(tmp_path / "a.tif"), raster_info(path)).remedy, tmp_path
    )
    assert raster_info(new).transform == PLACE
    assert (pixels(new)[:, ::2, ::2] == np.moveaxis(colours, -1, 0)).all()


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".bmp"])
@pytest.mark.parametrize("shape", [(10, 15), (10, 15, 3)])
def test_pillow_resizes_plain_pictures(tmp_path, suffix, shape):
    Image.fromarray(RANDOM.integers(0, 256, shape, np.uint8)).save(tmp_path / f"b{suffix}")
    Image.fromarray(np.ones((20, 30), np.uint8)).save(tmp_path / "a.png")
    small = raster_info(tmp_path / f"b{suffix}")
    remedy = grid_difference(small, raster_info(tmp_path / "a.png")).remedy
    assert "from PIL import Image" in remedy
    new = follow(remedy, tmp_path)
    with Image.open(small.path) as picture:  # GDAL decodes JPEG a little differently
        old = np.atleast_3d(picture)
    assert (np.moveaxis(pixels(new), 0, -1)[::2, ::2] == old).all()


@pytest.mark.parametrize("bands", [1, 3])
def test_pictures_of_16_bits_keep_them(tmp_path, bands):
    array = RANDOM.integers(0, 65_536, (bands, 10, 15)).astype(np.uint16)
    with rasterio.open(
        tmp_path / "b.png", "w", driver="PNG", count=bands, height=10, width=15, dtype="uint16"
    ) as out:
        out.write(array)
    Image.fromarray(np.ones((20, 30), np.uint8)).save(tmp_path / "a.png")
    infos = [raster_info(tmp_path / name) for name in ("b.png", "a.png")]
    new = follow(grid_difference(*infos).remedy, tmp_path)
    assert (pixels(new)[:, ::2, ::2] == array).all()


@pytest.mark.parametrize(("crs", "told"), [("EPSG:25832", None), (None, "rio edit-info --crs")])
def test_what_rio_warp_would_drop_is_kept(tmp_path, crs, told):
    path = full(
        tmp_path / "dsm.tif", RANDOM.integers(1, 3000, (10, 15)).astype(np.uint16), mask=True
    )
    with rasterio.open(
        tmp_path / "a.tif",
        "w",
        driver="GTiff",
        count=1,
        height=30,
        width=30,
        dtype="uint8",
        crs=crs,
        transform=Affine(0.25, 0, 400_000, 0, -0.25, 5_700_000),
    ) as out:
        out.write(np.ones((1, 30, 30), np.uint8))
    like = raster_info(tmp_path / "a.tif")
    remedy = grid_difference(raster_info(path), like).remedy
    assert told is None or told in remedy
    new = follow(remedy, tmp_path)
    assert grid_difference(raster_info(new), like) is None
    assert said(new) == said(path)
    assert (pixels(new)[:, :20:2, ::2] == pixels(path)).all()
    with rasterio.open(new) as source:
        mask = source.dataset_mask()
    assert not mask[:2, :6].any()
    assert mask[2:20].all()
    assert not mask[20:].any()  # nothing known below


def test_other_systems_and_widths(tmp_path):
    path = full(tmp_path / "dsm.tif", np.full((40, 40), 7, np.int16), nodata=-5)
    here = full(
        tmp_path / "a.tif", np.ones((9, 9), np.uint8), transform=PLACE, placed=False, crs=4326
    )
    with pytest.raises(FileExistsError, match=r"a\.tif exists: expected a new name"):
        resample(path, here, like=here)
    with rasterio.open(path) as source:
        left, bottom, right, top = transform_bounds(source.crs, "EPSG:25833", *source.bounds)
    height, width = round((top - bottom) / 0.5), round((right - left) / 0.5)
    place = Affine(0.5, 0, left, 0, -0.5, top)
    with rasterio.open(
        tmp_path / "b.tif",
        "w",
        driver="GTiff",
        count=1,
        height=height,
        width=width,
        dtype="uint8",
        crs="EPSG:25833",
        transform=place,
    ):
        pass
    new = resample(path, tmp_path / "c.tif", like=tmp_path / "b.tif")
    assert set(np.unique(pixels(new))) == {-5, 7}
    assert (pixels(new) == 7).mean() > 0.6
    wide = resample(path, tmp_path / "d.tif", res=2)
    assert raster_info(wide).transform.a == 2
    assert (pixels(wide) == np.full((1, 10, 10), 7)).all()
    for wrong in ({}, {"like": path, "res": 1}):
        with pytest.raises(ValueError, match="expected either like or res"):
            resample(path, tmp_path / "e.tif", **wrong)
    plain = full(tmp_path / "plain.tif", np.ones((9, 9), np.uint8), placed=False)
    with pytest.raises(ValueError, match="has no position"):
        resample(plain, tmp_path / "e.tif", res=1)
    with pytest.raises(ValueError, match=r"expected a name ending in \.tif"):
        resample(path, tmp_path / "e.png", like=here)


def test_no_way_from_a_system_of_a_building_site(tmp_path):
    here = full(tmp_path / "a.tif", np.ones((9, 9), np.uint8))
    site = full(
        tmp_path / "b.tif",
        np.ones((9, 9), np.uint8),
        placed=False,
        crs='LOCAL_CS["site",UNIT["metre",1]]',
        transform=PLACE,
    )
    with pytest.raises(ValueError, match="from which nothing leads to EPSG:25832: expected"):
        resample(site, tmp_path / "c.tif", like=here)
    assert not (tmp_path / "c.tif").exists()


def test_points_and_sensor_models_are_stretched(tmp_path):
    points = [
        GroundControlPoint(r, c, 400_000 + c, 5_700_000 - r)
        for r, c in ((0, 0), (0, 15), (10, 0), (10, 15))
    ]
    zeros, ones = [0.0] * 20, [1.0] * 20
    model = RPC(0, 1, 50, 1, ones, zeros, 4.5, 5, 8, 1, ones, zeros, 7, 7.5)
    for name, options in (
        ("points.tif", {"gcps": points, "crs": "EPSG:25832"}),
        ("model.tif", {"rpcs": model}),
    ):
        full(tmp_path / name, np.ones((10, 15), np.uint8), placed=False, **options)
    like = full(tmp_path / "a.tif", np.ones((20, 30), np.uint8), placed=False)
    info = raster_info(resample(tmp_path / "points.tif", tmp_path / "p.tif", like=like))
    assert max((p.row, p.col) for p in info.gcps) == (20, 30)
    rpcs = raster_info(resample(tmp_path / "model.tif", tmp_path / "m.tif", like=like)).rpcs
    assert (rpcs.line_off, rpcs.line_scale, rpcs.samp_off) == (9.5, 10, 14.5)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "uint32", "int32"])
@pytest.mark.parametrize("placed", [True, False])
def test_negatives_are_inverted(tmp_path, dtype, placed):
    limits = np.iinfo(dtype)
    array = RANDOM.integers(limits.min, limits.max, (10, 15), endpoint=True).astype(dtype)
    array[0, 0], array[0, 1] = limits.min, limits.max
    path = full(tmp_path / "a.tif", array, placed=placed, photometric="MINISWHITE", nodata=3)
    with pytest.raises(ValueError, match="is stored as a negative") as caught:
        interpret_for_view(path)
    new = follow(str(caught.value), tmp_path)
    wanted = limits.min + limits.max - array.astype(np.int64)
    assert (pixels(new) == wanted).all()
    info, old = raster_info(new), raster_info(path)
    assert not info.white_is_zero
    assert info.nodata == limits.min + limits.max - 3
    assert (info.crs, info.transform, info.scales, info.units) == (
        old.crs,
        old.transform,
        old.scales,
        old.units,
    )
    with pytest.raises(ValueError, match="is no negative"):
        invert(new, tmp_path / "again.tif")


@pytest.mark.parametrize("bits", [1, 4, 12])
def test_negatives_of_fewer_bits(tmp_path, bits):
    array = RANDOM.integers(0, 2**bits, (10, 15)).astype(np.uint16 if bits > 8 else np.uint8)
    path = full(tmp_path / "a.tif", array, photometric="MINISWHITE", NBITS=bits)
    new = invert(path, tmp_path / "b.tif")
    assert (pixels(new) == 2**bits - 1 - array).all()
    assert (raster_info(new).bits, raster_info(new).white_is_zero) == (bits, False)
    interpret_for_view(new)


def test_opacity_of_a_negative_stays(tmp_path):
    array = RANDOM.integers(0, 255, (2, 10, 15), np.uint8)
    path = full(tmp_path / "a.tif", array, photometric="MINISWHITE", alpha="YES")
    new = invert(path, tmp_path / "b.tif")
    assert (pixels(new) == np.stack([255 - array[0], array[1]])).all()
    assert raster_info(new).alpha == 2


def test_negatives_that_cannot_be_inverted(tmp_path):
    path = full(tmp_path / "a.tif", np.ones((10, 15), np.float32), photometric="MINISWHITE")
    with pytest.raises(ValueError, match="a negative of float32: expected integers"):
        invert(path, tmp_path / "b.tif")
    array = np.ones((2, 10, 15), np.uint8)
    path = full(tmp_path / "c.tif", array, photometric="MINISWHITE", nodata=0)
    with pytest.raises(ValueError, match="a negative of 2 bands with the nodata value 0"):
        invert(path, tmp_path / "d.tif")


@pytest.mark.parametrize("tag", range(2, 9))
@pytest.mark.parametrize("suffix", [".tif", ".lzw.tif", ".jpg", ".png"])
@pytest.mark.parametrize("kind", ["grey", "uint16", "colour"])
def test_images_that_lie_down_are_turned(tmp_path, tag, suffix, kind):
    if (suffix, kind) == (".jpg", "uint16"):
        pytest.skip("JPEG has 8 bits")
    dtype = np.uint16 if kind == "uint16" else np.uint8
    shape = (40, 60, 3) if kind == "colour" else (40, 60)
    array = RANDOM.integers(0, np.iinfo(dtype).max, shape).astype(dtype)
    exif = Image.Exif()
    exif[274] = tag
    path = tmp_path / f"a{suffix}"
    options = {"compression": "tiff_lzw"} if "lzw" in suffix else {}
    Image.fromarray(array).save(path, exif=exif, **options)
    with open_raster(path, lying_down=True) as source:
        stored = source.read()  # of a JPEG other than the array
    wanted = {
        2: stored[:, :, ::-1],
        3: stored[:, ::-1, ::-1],
        4: stored[:, ::-1],
        5: stored.transpose(0, 2, 1),
        6: np.rot90(stored, -1, (1, 2)),
        7: np.rot90(stored, 2, (1, 2)).transpose(0, 2, 1),
        8: np.rot90(stored, 1, (1, 2)),
    }[tag]
    with pytest.raises(ValueError, match="orientation tag") as caught:
        check_upright(path)
    if tag == 6:
        new = follow(str(caught.value), tmp_path)
    else:
        assert f"turn({str(path)!r}, 'NEW.tif')" in str(caught.value)
        new = turn(path, tmp_path / "new.tif")
    assert orientation(new) == 1
    assert (pixels(new) == wanted).all()
    assert (pixels(untag(path, tmp_path / "kept.tif")) == stored).all()


def test_an_image_with_a_position_only_loses_its_tag(tmp_path):
    path = full(tmp_path / "a.tif", RANDOM.integers(0, 9, (10, 15)).astype(np.int16), nodata=-5)
    lay_down(path)
    assert orientation(path) == 6
    with pytest.raises(ValueError, match="has a position") as caught:
        turn(path, tmp_path / "b.tif")
    before = {p: p.read_bytes() for p in tmp_path.iterdir()}
    new = run(str(caught.value).partition("drop the tag: ")[2], tmp_path, before)
    assert orientation(new) == 1
    assert said(new) == said(path)
    assert raster_info(new).transform == PLACE
    assert (pixels(new) == pixels(path)).all()


def lay_down(path):
    """GDAL writes no tag 274: the one of the planar configuration, whose default it holds, is renamed."""
    data = bytearray(path.read_bytes())
    start = int.from_bytes(data[4:8], "little")
    count = int.from_bytes(data[start : start + 2], "little")
    for at in range(start + 2, start + 2 + 12 * count, 12):
        if int.from_bytes(data[at : at + 2], "little") == 277:  # one sample, as by default
            data[at : at + 2] = (274).to_bytes(2, "little")
            data[at + 8 : at + 10] = (6).to_bytes(2, "little")
    path.write_bytes(data)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_palettes_become_colours(tmp_path, suffix):
    numbers = RANDOM.integers(0, 3, (10, 15)).astype(np.uint8)
    table = [[255, 0, 0], [0, 255, 0], [1, 2, 3]]
    picture = Image.fromarray(numbers).convert("P")
    picture.putpalette(np.ravel(table).tolist())
    options = {"transparency": 1} if suffix == ".png" else {}
    path = tmp_path / f"a{suffix}"
    picture.save(path, **options)
    with pytest.raises(ValueError, match="is a palette image") as caught:
        interpret_for_view(path)
    new = follow(str(caught.value), tmp_path)
    assert (np.moveaxis(pixels(new), 0, -1) == np.array(table)[pixels(path)[0]]).all()
    with rasterio.open(new) as source:
        assert source.colorinterp == (ColorInterp.red, ColorInterp.green, ColorInterp.blue)
        hidden = numbers == 1 if suffix == ".png" else np.zeros_like(numbers, bool)
        assert ((source.dataset_mask() == 0) == hidden).all()
    interpret_for_view(new)
    with pytest.raises(ValueError, match="has no colour table"):
        expand(new, tmp_path / "b.tif")


def test_transparent_colours_stay_transparent(tmp_path):
    """Of a picture with a world file; a TIFF's colour table has no opacity, its mask has."""
    numbers = RANDOM.integers(0, 3, (10, 15)).astype(np.uint8)
    picture = Image.fromarray(numbers).convert("P")
    picture.putpalette([255, 0, 0, 0, 255, 0, 1, 2, 3])
    picture.save(tmp_path / "a.png", transparency=bytes([255, 0, 0]))
    (tmp_path / "a.pgw").write_text("0.5\n0\n0\n-0.5\n400000.25\n5699999.75\n")
    new = untag(tmp_path / "a.png", tmp_path / "b.tif")
    assert raster_info(new).transform == PLACE
    with rasterio.open(new) as source:
        assert (source.read(1) == numbers).all()
        assert source.colormap(1)[2][:3] == (1, 2, 3)
        assert ((source.dataset_mask() == 0) == (numbers > 0)).all()


def test_labels_without_transparency(tmp_path):
    numbers = RANDOM.integers(0, 3, (10, 15)).astype(np.uint8)
    picture = Image.fromarray(numbers).convert("P")
    picture.putpalette([255, 0, 0, 0, 255, 0, 1, 2, 3])
    picture.save(tmp_path / "a.png", transparency=1)
    told = OPAQUE.replace("FILE", str(tmp_path / "a.png"))
    new = follow(told, tmp_path)
    assert (pixels(new)[0] == numbers).all()
    with rasterio.open(new) as source:
        assert source.dataset_mask().all()
        assert source.colormap(1)[1] == (0, 255, 0, 255)


def test_note_on_the_width_of_pixels(tmp_path, capsys):
    path = full(tmp_path / "a.tif", np.ones((10, 15), np.uint8))
    compare_gsd(raster_info(path), 1.0, None)
    new = follow(capsys.readouterr().err.strip(), tmp_path)
    assert raster_info(new).transform.a == pytest.approx(1, abs=0.01)
    assert said(new) == said(path)


def test_several_nodata_values_are_named(tmp_path):
    for value in (1, 2):
        full(tmp_path / f"{value}.tif", np.ones((4, 5), np.uint8), nodata=value)
    (tmp_path / "a.vrt").write_text(
        '<VRTDataset rasterXSize="5" rasterYSize="4">'
        + "".join(
            f'<VRTRasterBand dataType="Byte" band="{v}"><NoDataValue>{v}</NoDataValue><SimpleSource>'
            f'<SourceFilename relativeToVRT="1">{v}.tif</SourceFilename><SourceBand>1</SourceBand>'
            "</SimpleSource></VRTRasterBand>"
            for v in (1, 2)
        )
        + "</VRTDataset>"
    )
    with pytest.raises(ValueError, match=r"declares the nodata values 1\.0, 2\.0: expected one"):
        resample(tmp_path / "a.vrt", tmp_path / "b.tif", like=tmp_path / "1.tif")
