"""The figures of the report against values known by construction, and each complaint once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mfnet_lite.rasters.interpretation.missing as module
from mfnet_lite.rasters import describe_elevation, read_raster, write_raster


def town(rows: int = 96, cols: int = 128) -> np.ndarray:
    """Ground at 250 m rising 2 m to the east, a quarter of it under houses of 8 m."""
    rng = np.random.default_rng(3)
    ground = 250 + 2 * np.arange(cols) / cols + np.zeros((rows, 1))
    houses = (np.arange(rows)[:, None] % 16 < 8) & (np.arange(cols) % 16 < 8)
    return (ground + 8 * houses + rng.normal(0, 0.05, (rows, cols))).astype(np.float32)


def save(tmp_path: Path, dsm: np.ndarray, **options: object) -> Path:
    path = tmp_path / "dsm.tif"
    write_raster(path, dsm, **options)
    return path


def complaints(path: Path) -> list[str]:
    return [problem.problem for problem in describe_elevation(path).problems]


def test_a_good_file_gives_no_complaint(tmp_path: Path) -> None:
    report = describe_elevation(save(tmp_path, town(), nodata=-9999))
    assert report.problems == ()
    assert report.shape == (96, 128)
    assert report.dtype == "float32"
    assert report.missing == 0
    assert report.tilt == pytest.approx(2.0, abs=0.15)
    assert report.standing == pytest.approx(8.0, abs=0.3)
    assert 249.7 < report.low < report.middle[0] < report.middle[1] < report.high < 260.3
    text = str(report)
    assert text.startswith("dsm.tif: 96 x 128 float32, nodata -9999 declared")
    assert "wrong" not in text
    assert "missing   0.0%" in text


def test_grey_levels_by_hand(tmp_path: Path) -> None:
    dsm = np.linspace(100, 110, 101, dtype=np.float32)[None].repeat(50, 0)
    dsm[0, :10] = -9999
    report = describe_elevation(save(tmp_path, dsm, nodata=-9999))
    assert report.missing == pytest.approx(10 / 5050)
    # The middle 90 % span 9 of 10 m, and 9 of 10109 m where nodata counts.
    assert report.levels["minmax"] == pytest.approx(256 * 0.9, rel=0.01)
    assert report.levels["naive"] == pytest.approx(256 * 9 / 10109, rel=0.01)
    assert report.levels["robust"] == pytest.approx(256 * 0.9 / 0.96, rel=0.01)


@pytest.mark.parametrize("code", [-9999.0, 0.0, -32768.0, 32767.0])
def test_undeclared_nodata_is_found_and_left_out(tmp_path: Path, code: float) -> None:
    dsm = town()
    dsm[10:14, 20:30] = code
    report = describe_elevation(save(tmp_path, dsm))
    assert report.codes == (code,)
    assert report.missing == pytest.approx(40 / dsm.size)
    assert report.low > 249
    assert report.high < 261
    assert "undeclared nodata" in report.problems[0].problem


def test_two_codes_at_once(tmp_path: Path) -> None:
    dsm = town()
    dsm[0, :5], dsm[1, :5] = -9999.0, 9999.0
    assert set(describe_elevation(save(tmp_path, dsm)).codes) == {-9999.0, 9999.0}


def test_one_crane_is_a_spike_and_no_code(tmp_path: Path) -> None:
    dsm = town()
    dsm[40, 40] += 90
    report = describe_elevation(save(tmp_path, dsm))
    assert report.codes == ()
    assert [p.problem for p in report.problems] == ["spikes set the range of min-max"]


def test_flat_empty_and_steep(tmp_path: Path) -> None:
    assert complaints(save(tmp_path, np.full((20, 20), 7.0, np.float32))) == [
        "flat: min-max divides zero by zero"
    ]
    nothing = describe_elevation(save(tmp_path, np.full((20, 20), np.nan, np.float32)))
    assert nothing.missing == 1
    assert "no pixel holds a height" in str(nothing)
    steep = town() + 30 * np.arange(128, dtype=np.float32) / 128
    assert "the slope outweighs what stands on it" in complaints(save(tmp_path, steep))


def test_types_units_bands(tmp_path: Path) -> None:
    grey = np.rint(10 * (town() - 249)).astype(np.uint8)
    assert complaints(save(tmp_path, grey)) == ["8 bits: grey values, metres are lost"]
    centimetres = np.rint(100 * town()).astype(np.int32)
    assert complaints(save(tmp_path, centimetres))[0].endswith("are no metres")
    assert complaints(save(tmp_path, np.stack([town()] * 3)))[0].startswith("3 bands")
    with pytest.raises(ValueError, match="band"):
        describe_elevation(save(tmp_path, town()), band=2)


def test_blank_is_said_where_nodata_squeezes_the_rest(tmp_path: Path) -> None:
    dsm = town()
    dsm[:2] = -9999
    path = save(tmp_path, dsm, nodata=-9999)
    assert complaints(path) == ["blank where nodata counts as a height"]
    dsm[:40] = -9999
    assert "42% missing" in complaints(save(tmp_path, dsm, nodata=-9999))


def test_a_sampled_file_says_nearly_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dsm = town(192, 256)
    dsm[7, 11] = 400.0  # off the sampled grid: extremes stay exact
    path = save(tmp_path, dsm)
    whole = describe_elevation(path)
    monkeypatch.setattr(module, "SAMPLE_PIXELS", 6000)
    monkeypatch.setattr("mfnet_lite.rasters.scan.STRIP_PIXELS", 256 * 32)
    sampled = describe_elevation(path)
    assert (sampled.low, sampled.high, sampled.missing) == (whole.low, whole.high, whole.missing)
    assert sampled.high == 400.0
    assert sampled.tilt == pytest.approx(whole.tilt, abs=0.3)
    assert sampled.middle == pytest.approx(whole.middle, abs=0.3)


@settings(deadline=None, max_examples=15)
@given(offset=st.floats(-200, 3000), seed=st.integers(0, 99))
def test_moving_the_datum_changes_heights_only(
    tmp_path_factory: pytest.TempPathFactory, offset: float, seed: int
) -> None:
    folder = tmp_path_factory.mktemp("datum")
    dsm = town().astype(np.float64)
    dsm[seed % 90, :6] = np.nan
    first = describe_elevation(save(folder, dsm))
    moved = describe_elevation(save(folder, dsm + offset))
    assert moved.missing == first.missing
    assert moved.low == pytest.approx(first.low + offset, abs=1e-6)
    assert moved.tilt == pytest.approx(first.tilt, abs=1e-2)
    assert moved.levels == pytest.approx(first.levels, rel=1e-2)


def test_real_lidar_tiles_are_told_from_nodata(realdata: Path) -> None:
    paths = sorted((realdata / "ign_ortho_lidar").glob("*/dsm/*.tif"))
    assert paths
    for path in paths:
        report, heights = describe_elevation(path), read_raster(path)
        inside = heights.array[0][heights.valid]
        assert report.codes == ()
        assert (report.low, report.high) == (inside.min(), inside.max())
        assert report.middle == pytest.approx(np.percentile(inside, (5, 95)), rel=1e-5)
        assert 0 < report.levels["ground"] <= 256
