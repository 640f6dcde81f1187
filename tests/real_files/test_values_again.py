"""Combinations in which one statement about a file meets another, and honest files that look odd."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mfnet_lite.rasters.interpretation.interpret import interpret
from mfnet_lite.rasters.io import open_raster, own_mask, read_window
from mfnet_lite.rasters.tiles import SensorInfo
from tests.real_files.makers import save

N = 64


def quantities(path: Path, sensor: SensorInfo, gsd: float | None = None):
    """Metres or reflectance as a network gets them before scaling, and which pixels count."""
    reading = interpret(path, sensor, gsd=gsd)
    with open_raster(path) as source:
        array = read_window(source, path, None, reading.bands)
        usable = reading.usable(
            array, source.nodata, own_mask(source, None, reading.alpha, reading.bands)
        )
    bands = [reading.of_band(a, b) for a, b in zip(array, reading.bands, strict=True)]
    return np.stack(bands).astype(float), usable, reading


def town(ground: float = 0.0, roof: float = 8.0) -> np.ndarray:
    dsm = np.full((N, N), ground, np.float32)
    dsm[20:40, 20:40] += roof
    return dsm


DSM = SensorInfo("dsm")


def test_one_tower_over_a_ground_of_zero(tmp_path):
    metres, usable, _ = quantities(save(tmp_path / "a.tif", town(roof=45)), DSM)
    assert usable.all()
    assert metres.max() == 45


def test_the_sea_below_a_cliff_is_a_height_and_remarked_on(tmp_path):
    coast = np.full((N, N), 60, np.float32)
    coast[:, :30] = 0
    _, usable, reading = quantities(save(tmp_path / "a.tif", coast), DSM)
    assert usable.all()
    assert any('"nodata": 0' in note for note in reading.notes)


@pytest.mark.parametrize("code", [0, -9999, -32768])
def test_holes_in_hills_of_whole_centimetres(tmp_path, code):
    hills = 100 * np.linspace(100, 180, N)[None].repeat(N, 0)
    hills[5:9, 5:9] = code
    path = save(tmp_path / "a.tif", np.rint(hills).astype(np.int16 if code else np.int32))
    _, usable, _ = quantities(path, SensorInfo("dsm", unit="cm"))
    assert (~usable).sum() == 16


def test_whole_numbers_without_a_unit_are_remarked_on(tmp_path):
    _, _, reading = quantities(
        save(tmp_path / "a.tif", np.rint(town() * 10).astype(np.uint16)), DSM
    )
    assert any("whole numbers without a unit" in note for note in reading.notes)


def test_what_a_run_was_trained_with_does_not_bind_another_file(tmp_path):
    trained = SensorInfo("dsm", unit="cm", dtype="int32")
    inherited = DSM.completed(trained)
    assert inherited.inherited == ("unit", "dtype")
    with pytest.raises(ValueError, match=r"is float32 and does not say its unit.*--dataset-json"):
        interpret(save(tmp_path / "float.tif", town(100)), inherited)
    tagged = save(tmp_path / "tagged.tif", town(100), units=("m",))
    assert quantities(tagged, inherited)[0].max() == 108
    whole = save(tmp_path / "whole.tif", np.rint(100 * town(100)).astype(np.int32))
    assert quantities(whole, inherited)[0].max() == pytest.approx(108)


def test_bytes_that_count_metres_and_bytes_that_do_not(tmp_path):
    path = save(tmp_path / "a.tif", town(roof=8).astype(np.uint8))
    trained_on_bytes = DSM.completed(SensorInfo("dsm", unit="m", dtype="uint8"))
    assert quantities(path, trained_on_bytes)[0].max() == 8
    assert interpret(path, trained_on_bytes).divisor is None
    trained_on_floats = DSM.completed(SensorInfo("dsm", unit="m", dtype="float32"))
    with pytest.raises(ValueError, match="holds bytes without a unit"):
        interpret(path, trained_on_floats)
    assert interpret(path, DSM.completed(SensorInfo("dsm", dtype="uint8"))).divisor == 255


def test_a_sea_floor_is_believed_where_the_unit_is_known(tmp_path):
    floor = town(-3000)
    with pytest.raises(ValueError, match='"m" for a sea floor'):
        interpret(save(tmp_path / "a.tif", floor), DSM)
    metres, usable, _ = quantities(tmp_path / "a.tif", SensorInfo("dsm", unit="m"))
    assert usable.all()
    assert metres.min() == -3000


def test_a_scale_and_a_unit_that_say_the_same_count_once(tmp_path):
    whole = np.rint(100 * town(100)).astype(np.int32)
    path = save(tmp_path / "a.tif", whole, scales=(0.01,))
    assert quantities(path, SensorInfo("dsm", unit="cm"))[0].max() == pytest.approx(108)
    assert quantities(path, SensorInfo("dsm", unit="m"))[0].max() == pytest.approx(108)
    with pytest.raises(ValueError, match="expected one of them"):
        interpret(path, SensorInfo("dsm", unit="ft"))


def test_mostly_missing_is_not_another_unit(tmp_path):
    dsm = town(100)
    dsm[:50] = -9999
    for sensor in (DSM, SensorInfo("dsm", nodata=-9999)):
        _, usable, _ = quantities(save(tmp_path / "a.tif", dsm), sensor)
        assert usable.sum() == 14 * N


def test_units_as_programs_write_them(tmp_path):
    for tag in ("unknown", "1", "metres (NAVD88)", "m a.s.l."):
        path = save(tmp_path / "a.tif", town(100), units=(tag,))
        assert quantities(path, DSM)[0].max() == 108


IMAGE = SensorInfo("optical")
GREY = np.linspace(0, 1, N * N, dtype=np.float32).reshape(1, N, N).repeat(3, 0)


def test_values_around_zero_are_refused(tmp_path):
    with pytest.raises(ValueError, match="undo its normalisation"):
        interpret(save(tmp_path / "a.tif", GREY - 0.5), IMAGE)


@pytest.mark.parametrize(("scale", "full"), [(1, 255), (100, 255), (10_000, 255), (None, 255)])
def test_bytes_beside_files_of_another_scale(tmp_path, scale, full):
    path = save(tmp_path / "a.tif", np.rint(GREY * 255).astype(np.uint8))
    assert interpret(path, SensorInfo("optical", scale=scale)).divisor == full


def test_percentages_in_bytes(tmp_path):
    path = save(tmp_path / "a.tif", np.rint(GREY * 100).astype(np.uint8))
    assert interpret(path, SensorInfo("optical", scale=100)).divisor == 100


def test_stated_nodata_counts_like_a_declared_one(tmp_path):
    red = np.zeros((3, N, N), np.uint8)
    red[0] = 200
    red[:, :8] = 0
    path = save(tmp_path / "a.tif", red)
    assert quantities(path, SensorInfo("optical", nodata=0))[1].mean() == 56 / 64
    # a value that bytes cannot hold is that of the dataset's wider files
    assert quantities(path, SensorInfo("optical", nodata=65535))[1].all()


def test_a_file_s_own_bits_and_range_go_before_the_run_s_scale(tmp_path):
    inherited = IMAGE.completed(SensorInfo("optical", scale=10_000, dtype="uint16"))
    twelve = save(tmp_path / "a.tif", np.rint(GREY * 4095).astype(np.uint16), profile={"NBITS": 12})
    assert interpret(twelve, inherited).divisor == 4095
    assert interpret(save(tmp_path / "b.tif", GREY), inherited).divisor == 1
    whole = save(tmp_path / "c.tif", np.rint(GREY * 10_000).astype(np.uint16))
    assert interpret(whole, inherited).divisor == 10_000


@pytest.mark.parametrize(
    ("words", "bands", "told"),
    [
        (("blue", "green", "red"), (3, 2, 1), "read as red, green, blue"),
        (
            ("nir", "red", "green"),
            (1, 2, 3),
            "near infrared, red, green: they are read in this order",
        ),
        (("red", "green", "blue"), (1, 2, 3), ""),
        (("first", "second", "third"), (1, 2, 3), ""),
    ],
)
def test_bands_by_their_descriptions(tmp_path, words, bands, told):
    path = save(tmp_path / "a.tif", np.rint(GREY * 200 + 20).astype(np.uint8), descriptions=words)
    reading = interpret(path, IMAGE)
    assert reading.bands == bands
    assert any(told in note for note in reading.notes) if told else not reading.notes


def test_complex_numbers_are_no_image(tmp_path):
    path = save(tmp_path / "a.tif", GREY.astype(np.complex64))
    with pytest.raises(ValueError, match="export amplitude"):
        interpret(path, SensorInfo("sar"))
