"""Numbers that mean something else than they seem: situations of public threads."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rasterio.enums import ColorInterp

from mfnet_lite.rasters import (
    WholeTiles,
    check_dataset,
    describe_elevation,
    open_dataset,
    write_raster,
)
from mfnet_lite.rasters.interpretation.interpret import interpret
from mfnet_lite.rasters.tiles import SensorInfo
from tests.real_files.makers import PLACE, save, three_tiles

N = 64


def heights(roof: float = 8.0, ground: float = 100.0) -> np.ndarray:
    """Flat ground with a roof of 5 m in the middle, in metres."""
    dsm = np.full((N, N), ground, np.float32)
    dsm[20:40, 20:40] += roof
    return dsm


def dataset(root: Path, dsm: Path | None = None, stated: dict | None = None, **dsms) -> Path:
    rng = np.random.default_rng(0)

    def write(folder: Path, name: str, _: int) -> None:
        save(folder / "image" / name, rng.integers(1, 255, (3, N, N), np.uint8))
        save(folder / "label" / name, rng.integers(0, 2, (N, N), np.uint8))
        if dsms:
            save(folder / "dsm" / name, **dsms)

    return three_tiles(root, write, {"classes": ["a", "b"]} | (stated or {}))


def seen(root: Path, sensor: str = "dsm") -> np.ndarray:
    return WholeTiles(open_dataset(root).tiles("test"))[0][sensor].numpy()


ROOF = pytest.approx(8 / 30, abs=0.01)


@pytest.mark.parametrize(
    ("situation", "dsm", "stated"),
    [
        ("metres", {"array": heights()}, {}),
        (
            "int16 centimetres with a scale tag",
            {"array": np.rint(100 * heights()).astype(np.int16), "scales": (0.01,)},
            {},
        ),
        (
            "scale and offset",
            {
                "array": np.rint(100 * (heights() - 100)).astype(np.int16),
                "scales": (0.01,),
                "offsets": (100.0,),
            },
            {},
        ),
        ("feet with a unit tag", {"array": heights() / 0.3048, "units": ("ft",)}, {}),
        (
            "feet in the vertical part of the coordinate system",
            {"array": (heights() / (1200 / 3937)).astype(np.float32), "crs": "EPSG:25832+6360"},
            {},
        ),
        (
            "centimetres stated in dataset.json",
            {"array": np.rint(100 * heights()).astype(np.int32)},
            {"sensors": {"dsm": {"unit": "cm"}}},
        ),
        (
            "feet stated in dataset.json",
            {"array": (heights() / 0.3048).astype(np.float32)},
            {"sensors": {"dsm": {"unit": "ft"}}},
        ),
        (
            "a wrong tag that dataset.json sets aside",
            {"array": heights(), "units": ("ft",)},
            {"sensors": {"dsm": {"unit": "m", "tags": "ignore"}}},
        ),
    ],
)
def test_heights_are_metres_whatever_the_file_counts_in(tmp_path, situation, dsm, stated):
    """rasterio/rasterio#2219, uw-cryo/stac-3dep-1m#34, OSGeo/gdal#14503, NGWPC/ripple1d-archive#7."""
    root = dataset(tmp_path / "d", stated=stated, **dsm)
    assert check_dataset(root).ok, situation
    assert seen(root)[0, 30, 30] == ROOF
    assert seen(root)[0, 5, 5] == pytest.approx(0, abs=0.01)


@pytest.mark.parametrize(
    ("dsm", "stated", "words"),
    [
        (
            {"array": np.rint(100 * heights()).astype(np.int32)},
            {},
            r'"sensors": \{"dsm": \{"unit": "cm"\}\}',
        ),
        ({"array": heights(), "units": ("cubits",)}, {}, "'cubits': expected one of m, dm, cm"),
        (
            {"array": heights(), "units": ("ft",)},
            {"sensors": {"dsm": {"unit": "m"}}},
            "contradicts itself",
        ),
        (
            {"array": heights()},
            {"sensors": {"dsm": {"scale": 100}}},
            "expected a unit",
        ),
    ],
)
def test_a_unit_that_nobody_can_know_is_asked_for(tmp_path, dsm, stated, words):
    root = dataset(tmp_path / "d", stated=stated, **dsm)
    with pytest.raises(ValueError, match=words):
        seen(root)
    report = check_dataset(root)
    assert len(report.problems) == 3


def test_a_tile_of_sixteen_metres_does_not_span_hundreds(tmp_path):
    """Centimetres without a tag: 16 m of ground cannot rise by 800 m."""
    dsm = np.rint(100 * heights(ground=10)).astype(np.int16)
    root = dataset(tmp_path / "d", array=dsm)
    with pytest.raises(ValueError, match=r"would span 800 m of height over 16 m of ground"):
        seen(root)


@pytest.mark.parametrize("code", [-9999.0, -32767.0, np.float32(-3.4028235e38), 0.0])
def test_undeclared_nodata_does_not_carry_the_ground(tmp_path, code):
    """tilezen/joerd#96, GlacioHack/xdem#417, NOAA-OWP/inundation-mapping#719 (gaps filled with 0)."""
    clean = dataset(tmp_path / "clean", array=heights())
    holed = heights()
    holed[50:60, 50:60] = code
    root = dataset(tmp_path / "d", array=holed)
    outside = np.ones((N, N), bool)
    outside[50:60, 50:60] = False
    assert np.abs(seen(root) - seen(clean))[0][outside].max() < 0.02
    report = check_dataset(root)
    assert len(report.problems) == 3
    assert all("nodata" in p.problem for p in report.problems)


def test_the_remark_is_told_once_for_many_files(tmp_path, caplog):
    holed = heights()
    holed[50:60, 50:60] = -9999
    root = dataset(tmp_path / "d", array=holed)
    tiles = WholeTiles([t for part in open_dataset(root).splits.values() for t in part])
    tiles.prepare()
    (record,) = caplog.records
    assert "has values outside -500 to 9000 m, taken for nodata" in record.getMessage()
    assert "(and 2 more files)" in record.getMessage()


def test_a_ground_of_zero_under_roofs_is_no_code(tmp_path):
    """Heights above ground are 0 nearly everywhere."""
    root = dataset(tmp_path / "d", array=heights(ground=0.0))
    assert check_dataset(root).ok
    assert seen(root)[0, 30, 30] == ROOF
    assert describe_elevation(root / "test" / "dsm" / "c.tif").codes == ()


def test_nodata_written_with_six_digits(tmp_path):
    """geotiffjs/geotiff.js#259, csiro-hydrogeology/pyela#2: tag -3.40282e+38, pixels of the lowest float."""
    holed = heights()
    holed[50:60, 50:60] = np.finfo(np.float32).min
    root = dataset(tmp_path / "d", array=holed, nodata=-3.40282e38)
    assert seen(root)[0, 30, 30] == ROOF


def test_bytes_and_metres_are_not_mixed():
    """speed8928/IMELE#8: a run on metres does not take bytes for the grey values of another benchmark."""
    with pytest.raises(ValueError, match=r'"unit": "m"'):
        _kind("float32", np.uint8)
    with pytest.raises(ValueError, match="grey values of 8 bits"):
        _kind("uint8", np.float32)


def _kind(trained: str, dtype: type) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = save(Path(folder) / "a.tif", np.full((8, 8), 5, dtype))
        interpret(path, SensorInfo("dsm", dtype=trained))


def test_opacity_beside_heights_is_a_mask(tmp_path):
    """OSGeo/gdal#4253: gdalwarp -dstalpha writes heights and opacity."""
    dsm = heights()
    dsm[:, 50:] = 0
    opaque = np.where(np.arange(N) < 50, 255, 0) * np.ones((N, 1))
    both = np.stack([dsm, opaque.astype(np.float32)])
    root = dataset(tmp_path / "d", array=both, colorinterp=(ColorInterp.gray, ColorInterp.alpha))
    sample = WholeTiles(open_dataset(root).tiles("test"), valid=True)[0]
    assert sample["dsm"].shape == (1, N, N)
    assert sample["dsm"][0, 30, 30] == ROOF
    assert float(sample["valid"].float().mean()) == pytest.approx(50 / 64)


def image(tmp_path: Path, array: np.ndarray, stated: dict | None = None, **tags) -> np.ndarray:
    """What a network sees of an optical image."""
    root = dataset(tmp_path / "d", stated=stated)
    save(root / "test" / "image" / "c.tif", array, **tags)
    return seen(root, "optical")


GREY = np.linspace(0, 1, N * N, dtype=np.float32).reshape(1, N, N).repeat(3, 0)


@pytest.mark.parametrize(
    ("situation", "array", "stated", "tags"),
    [
        ("float 0 to 1", GREY, {}, {}),
        ("float 0 to 255, stated", GREY * 255, {"image_scale": 255}, {}),
        (
            "uint16 reflectance, stated",
            np.rint(GREY * 10_000).astype(np.uint16),
            {"image_scale": 10_000},
            {},
        ),
        (
            "uint16 reflectance with a scale tag",
            np.rint(GREY * 10_000).astype(np.uint16),
            {},
            {"scales": (1e-4,) * 3},
        ),
        (
            "Sentinel-2 since baseline 04.00",
            np.rint(GREY * 10_000 + 1000).astype(np.uint16),
            {},
            {"scales": (1e-4,) * 3, "offsets": (-0.1,) * 3},
        ),
        (
            "12 of 16 bits in use",
            np.rint(GREY * 4095).astype(np.uint16),
            {},
            {"profile": {"NBITS": 12}},
        ),
        (
            "8 bits among 16 bits",
            np.rint(GREY * 255).astype(np.uint8),
            {"image_scale": 10_000},
            {},
        ),
    ],
)
def test_images_come_to_the_same_reflectance(tmp_path, situation, array, stated, tags):
    """weecology/DeepForest#728, HakaiInstitute/habitat-mapper#82, torchgeo/torchgeo#3224."""
    assert np.abs(image(tmp_path, array, stated, **tags) - GREY).max() < 0.003, situation


@pytest.mark.parametrize(
    ("situation", "array", "stated", "tags", "words"),
    [
        ("float 0 to 255", GREY * 255, {}, {}, r'up to 255.*"image_scale": 255'),
        ("float 0 to 10,000", GREY * 10_000, {}, {}, r'up to 10000.*"image_scale": 10000'),
        ("float -1 to 1", GREY * 2 - 1, {}, {}, "values down to -1"),
        ("float 0 to 1 with a stated scale", GREY, {"image_scale": 10_000}, {}, "remove the scale"),
        (
            "an offset that the stated scale leaves out",
            np.rint(GREY * 10_000 + 1000).astype(np.uint16),
            {"image_scale": 10_000},
            {"scales": (1e-4,) * 3, "offsets": (-0.1,) * 3},
            r'"tags": "ignore"',
        ),
        ("uint16 of unknown range", np.full((3, N, N), 900, np.uint16), {}, {}, '"image_scale"'),
    ],
)
def test_images_of_unclear_range_are_asked_about(tmp_path, situation, array, stated, tags, words):
    """vanvalenlab/deepcell-toolbox#55, EnMAP-Box/enmap-box#1524, open-mmlab/mmdetection#12299."""
    with pytest.raises(ValueError, match=words):
        image(tmp_path, array, stated, **tags)


def test_eight_bits_kept_in_sixteen_are_remarked_on(tmp_path, caplog):
    """galaxyproject/training-material#5877, CellProfiler/CellProfiler#2285."""
    image(tmp_path, np.rint(GREY * 254).astype(np.uint16), {"image_scale": 10_000})
    assert any("if 255 is meant" in record.getMessage() for record in caplog.records)


def test_the_remedy_works_for_every_sensor_and_both_dates(tmp_path):
    """likyoo/open-cd#111, torchgeo/torchgeo#1776: the line that the message names is read."""
    wide = np.rint(GREY * 10_000).astype(np.uint16)
    root = dataset(tmp_path / "d")
    for split, name in (("train", "a"), ("train", "b"), ("test", "c")):
        save(root / split / "nir" / f"{name}.tif", wide[:1])
    with pytest.raises(ValueError, match=r'"sensors": \{"nir": \{"scale": 10000\}\}') as refused:
        seen(root, "nir")
    line = str(refused.value).split("or ")[1].split(" in dataset.json")[0]
    stated = {"classes": ["a", "b"]} | json.loads("{" + line + "}")
    (root / "dataset.json").write_text(json.dumps(stated))
    assert np.abs(seen(root, "nir") - GREY[:1]).max() < 0.001
    pairs = tmp_path / "pairs"
    for k in range(2):
        save(pairs / "A" / f"{k}.tif", wide)
        save(pairs / "B" / f"{k}.tif", wide)
        save(pairs / "label" / f"{k}.tif", np.eye(N, dtype=np.uint8))
    (pairs / "dataset.json").write_text('{"image_scale": 10000}')
    sample = WholeTiles(open_dataset(pairs).tiles("test"))[0]
    assert np.abs(sample["before"].numpy() - GREY).max() < 0.001
    assert np.abs(sample["after"].numpy() - GREY).max() < 0.001


def test_sixteen_bit_heights_by_any_usual_name(tmp_path):
    root = dataset(tmp_path / "d")
    for split, name in (("train", "a"), ("train", "b"), ("test", "c")):
        save(root / split / "dem" / f"{name}.tif", np.rint(heights()).astype(np.int16))
    assert seen(root, "dem")[0, 30, 30] == ROOF


def test_bands_are_read_as_red_green_blue_whatever_their_order(tmp_path, caplog):
    """HakaiInstitute/habitat-mapper#82, stac-utils/stactools#77."""
    rgb = np.random.default_rng(1).integers(1, 255, (3, N, N), np.uint8)
    roles = (ColorInterp.blue, ColorInterp.green, ColorInterp.red)
    got = image(tmp_path, rgb[::-1], colorinterp=roles, profile={"photometric": "MINISBLACK"})
    assert np.array_equal(np.rint(got * 255), rgb)
    assert any("read as red, green, blue" in record.getMessage() for record in caplog.records)


@pytest.mark.parametrize("bands", [None, (1, 2, 3)])
def test_transparent_borders_are_no_ground(tmp_path, bands):
    """weecology/DeepForest#998, manaakiwhenua/raster2dggs#105."""
    rgba = np.random.default_rng(1).integers(1, 255, (4, N, N), np.uint8)
    rgba[3] = 255
    rgba[:, :, :20] = 0
    roles = (ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.alpha)
    root = dataset(tmp_path / "d")
    save(root / "test" / "image" / "c.tif", rgba, colorinterp=roles)
    tile = open_dataset(root, optical_bands=bands).tiles("test")[0]
    sample = WholeTiles([tile], valid=True)[0]
    assert sample["optical"].shape == (3, N, N)
    assert not sample["valid"][:, :20].any()
    assert sample["valid"][:, 20:].all()
    assert (sample["label"][:, :20] == 255).all()


def test_near_infrared_that_is_marked_as_opacity_stays_a_band(tmp_path):
    """microsoft/PlanetaryComputer#82."""
    rgbn = np.random.default_rng(1).integers(0, 255, (4, N, N), np.uint8)
    roles = (ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.alpha)
    assert np.array_equal(np.rint(image(tmp_path, rgbn, colorinterp=roles) * 255), rgbn)


def test_palette_images_and_negatives_are_refused(tmp_path):
    """azavea/raster-vision#770, xarray-contrib/xarray-spatial#1797."""
    grey = np.random.default_rng(1).integers(0, 3, (N, N), np.uint8)
    root = dataset(tmp_path / "d")
    path = root / "test" / "image" / "c.tif"
    write_raster(path, grey, palette=[(255, 0, 0), (0, 255, 0), (0, 0, 255)], transform=PLACE)
    with pytest.raises(ValueError, match="remake import expand; expand"):
        seen(root, "optical")
    png = Image.fromarray(grey)
    png.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    png.save(tmp_path / "c.png")
    with pytest.raises(ValueError, match="remake import expand; expand"):
        interpret(tmp_path / "c.png", SensorInfo("optical"))
    save(path, grey, profile={"photometric": "MINISWHITE"})
    with pytest.raises(ValueError, match="white is zero"):
        seen(root, "optical")


def test_a_black_collar_is_remarked_on(tmp_path, caplog):
    """hotosm/oam-dynamic-tiler#48 and #50."""
    rgb = np.random.default_rng(1).integers(1, 255, (3, N, N), np.uint8)
    rgb[:, :, :16] = 0
    image(tmp_path, rgb)
    assert any("corner of pure black and 25%" in r.getMessage() for r in caplog.records)


def test_each_band_may_have_its_own_nodata(tmp_path):
    """rasterio/rasterio#329, xarray-contrib/xarray-spatial#1611."""
    rgb = np.random.default_rng(1).integers(1, 200, (3, N, N), np.uint8)
    rgb[:, :10] = np.array([251, 252, 253], np.uint8)[:, None, None]
    source = save(tmp_path / "all.tif", rgb)
    bands = "".join(
        f'<VRTRasterBand dataType="Byte" band="{b}"><NoDataValue>{250 + b}</NoDataValue>'
        f'<SimpleSource><SourceFilename relativeToVRT="0">{source}</SourceFilename>'
        f"<SourceBand>{b}</SourceBand></SimpleSource></VRTRasterBand>"
        for b in (1, 2, 3)
    )
    root = dataset(tmp_path / "d")
    (root / "test" / "image" / "c.tif").unlink()
    (root / "test" / "image" / "c.vrt").write_text(
        f'<VRTDataset rasterXSize="{N}" rasterYSize="{N}"><SRS>EPSG:25832</SRS>'
        f"<GeoTransform>{', '.join(map(str, PLACE.to_gdal()))}</GeoTransform>{bands}</VRTDataset>"
    )
    sample = WholeTiles(open_dataset(root).tiles("test"), valid=True)[0]
    assert not sample["valid"][:10].any()
    assert sample["valid"][10:].all()


def test_two_rasters_of_one_name_are_refused(tmp_path):
    """torchgeo/torchgeo#424: a mask and a preview of it."""
    from PIL import Image

    root = dataset(tmp_path / "d")
    (root / "test" / "image" / "c.tif").unlink()
    for suffix in ("png", "jpg"):
        Image.fromarray(np.zeros((N, N), np.uint8)).save(root / "test" / "image" / f"c.{suffix}")
    with pytest.raises(ValueError, match=r"c\.jpg and c\.png, rasters of one name"):
        open_dataset(root)


def test_other_formats_and_spellings_are_found(tmp_path):
    """torchgeo/torchgeo#1452 (files of unknown suffix), Roboflow's folder valid/."""
    root = dataset(tmp_path / "d")
    (root / "test").rename(root / "valid")
    for split, name in (("train", "a"), ("train", "b"), ("valid", "c")):
        save(
            root / split / "dsm" / f"{name}.img", heights(), profile={"driver": "HFA", "nodata": -1}
        )
    opened = open_dataset(root)
    assert tuple(opened.info.sensors) == ("optical", "dsm")
    assert [tile.id for tile in opened.tiles("val")] == ["c"]
