from __future__ import annotations

import numpy as np
import pytest

from mfnet_lite.rasters import Window, fit_scaling
from mfnet_lite.rasters.scaling import cell_size, reduce_cells


def house(gsd=0.5, size=240, slope=0.0, base=200.0):
    """A house of 10 m and a tree of 15 m on a plane."""
    rows, _ = np.mgrid[:size, :size]
    dsm = (base + slope * gsd * rows).astype(np.float32)
    dsm[100:130, 100:140] += 10
    dsm[60:70, 60:70] += 15
    return dsm


def test_minmax_is_the_authors_formula():
    dsm = np.array([[245.0, 267.5], [290.0, 250.0]], np.float32)
    np.testing.assert_allclose(fit_scaling(dsm, None, "minmax")(dsm), (dsm - 245) / 45, rtol=1e-6)


def test_one_missing_pixel_does_not_blank_the_tile():
    dsm = np.linspace(245, 290, 100, dtype=np.float32).reshape(10, 10)
    dsm[0, 0] = -9999
    dsm[9, 9] = np.nan
    valid = dsm > -9999
    for name in ("minmax", "robust", "ground"):
        scaled = fit_scaling(dsm, valid, name)(dsm, valid)
        assert scaled[0, 0] == scaled[9, 9] == 0
        assert scaled.dtype == np.float32
        assert np.ptp(scaled[valid & np.isfinite(dsm)]) > 0.5


def test_robust_percentiles_by_hand():
    dsm = np.arange(101, dtype=np.float64).reshape(1, 101)
    scaling = fit_scaling(dsm, None, "robust")
    assert (scaling.low, scaling.high) == (2, 98)
    assert scaling(dsm)[0, [0, 50, 100]].tolist() == [0, 0.5, 1]


@pytest.mark.parametrize("name", ["minmax", "robust", "ground"])
@pytest.mark.parametrize("value", [0.0, 270.0, np.nan])
def test_flat_or_empty_tile_is_zero(name, value):
    dsm = np.full((20, 20), value, np.float32)
    assert (fit_scaling(dsm, None, name, 0.5)(dsm) == 0).all()


def test_height_above_ground_in_metres():
    for base in (0.0, 900.0):
        dsm = house(base=base)
        scaled = fit_scaling(dsm, None, "ground", gsd=0.5)(dsm) * 30
        assert scaled[115, 120] == pytest.approx(10, abs=1e-3)
        assert scaled[65, 65] == pytest.approx(15, abs=1e-3)
        assert scaled[200, 200] == pytest.approx(0, abs=1e-3)


def test_slope_is_ground_not_building():
    dsm = house(slope=0.1)
    scaled = fit_scaling(dsm, None, "ground", gsd=0.5)(dsm) * 30
    # 240 pixels of 0.5 m at 10 %: the hill is 12 m high, the house stands out of it by its 10.
    assert scaled[115, 120] == pytest.approx(10, abs=1.0)
    assert np.median(scaled[120:180, 160:]) < 1.0


def test_window_equals_cut_of_whole():
    dsm = house(slope=0.05)
    for name in ("minmax", "robust", "ground"):
        scaling = fit_scaling(dsm, None, name, 0.5)
        window = Window(37, 91, 50, 71)
        np.testing.assert_array_equal(
            scaling(dsm[window.slices], window=window), scaling(dsm)[window.slices]
        )


def test_cells_ignore_missing_pixels():
    dsm = np.array([[5.0, 9, 1, 1], [7, -9, 1, 1]], np.float32)
    cells = reduce_cells(dsm, np.array([[1, 1, 0, 0], [1, 0, 0, 0]], bool), 2)
    assert cells[0, 0] == 5
    assert np.isnan(cells[0, 1])


def test_grid_stays_small():
    assert cell_size(100, 100, 0.25) == 4
    assert cell_size(100, 100, 10.0) == 1
    side = 40_000
    assert (side / cell_size(side, side, 0.25)) ** 2 <= 4_000_000


def test_refusals():
    with pytest.raises(ValueError, match=r"unknown scaling 'zscore'.*minmax, robust, ground"):
        fit_scaling(np.zeros((2, 2)), None, "zscore")
    with pytest.raises(ValueError, match="one shape"):
        fit_scaling(np.zeros((2, 2)), np.ones((3, 3), bool), "minmax")
