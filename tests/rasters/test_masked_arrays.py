"""Masked arrays: what is below the mask is nowhere taken for data."""

from __future__ import annotations

import numpy as np
import pytest

from mfnet_lite.rasters import (
    SCALINGS,
    LabelCoding,
    Raster,
    fit_scaling,
    open_raster,
    read_raster,
    write_raster,
)

GAP = -9999.0


@pytest.fixture
def heights():
    """A slope whose left half nobody measured."""
    slope = np.tile(np.linspace(250, 260, 32, dtype=np.float32), (32, 1))
    slope[:, :16] = GAP
    return np.ma.masked_equal(slope, GAP)


@pytest.mark.parametrize("name", SCALINGS)
def test_scaling_is_that_of_plain_heights_and_their_mask(name, heights):
    plain, valid = heights.data, ~heights.mask
    expected = fit_scaling(plain, valid, name)
    found = fit_scaling(heights, None, name)
    assert (found.low, found.high) == (expected.low, expected.high)
    assert name == "ground" or (found.low > 250 and found.high <= 260)
    scaled = found(heights)
    assert type(scaled) is np.ndarray
    np.testing.assert_array_equal(scaled, expected(plain, valid))
    assert (scaled[:, :16] == 0).all()


def test_a_mask_and_what_is_known_otherwise_both_count(heights):
    known = np.ones(heights.shape, bool)
    known[:, 31] = False
    scaling = fit_scaling(heights, known, "minmax")
    assert scaling.high == heights[0, 30]
    assert (scaling(heights, known)[:, 31] == 0).all()


def test_a_pixel_is_missing_where_all_bands_are_masked():
    image = np.ma.masked_equal(np.array([[[0, 0, 7]], [[0, 5, 7]]], np.uint8), 0)
    assert Raster(image).valid.tolist() == [[False, True, True]]


def test_masked_labels_are_not_labelled():
    label = np.ma.masked_equal(np.array([[[0, 1, 2]]], np.uint8), 2)
    coding = LabelCoding(num_classes=3, values={0: 0, 1: 1, 2: 2})
    assert coding.lookup(label).tolist() == [[0, 1, 255]]
    wide = np.ma.masked_equal(label.data.astype(np.int32), 2)
    assert coding.lookup(wide).tolist() == [[0, 1, 255]]


def test_what_is_masked_is_written_as_nodata(tmp_path, heights):
    path = write_raster(tmp_path / "heights.tif", heights, nodata=-1)
    with open_raster(path) as source:
        found = source.read(1, masked=True)
    np.testing.assert_array_equal(found.mask, heights.mask)
    np.testing.assert_array_equal(found.compressed(), heights.compressed())
    assert read_raster(path).array.min() == -1
    mask = np.ma.array([[True, False]], mask=[[False, True]])
    path = write_raster(tmp_path / "mask.tif", mask, nodata=255)
    assert read_raster(path).array.tolist() == [[[1, 255]]]
    with open_raster(path) as source:  # classes, masked or not, have no predictor
        assert source.tags(ns="IMAGE_STRUCTURE").get("PREDICTOR", "1") == "1"


@pytest.mark.parametrize("nodata", [None, 260.0])
def test_a_mask_is_not_lost_in_a_file(tmp_path, heights, nodata):
    with pytest.raises(ValueError, match=r"50\.0% of the array is masked, expected nodata="):
        write_raster(tmp_path / "heights.tif", heights, nodata=nodata)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("nodata", [-1, 0.5, 7])
def test_the_value_fits_the_type_and_occurs_nowhere_else(tmp_path, nodata):
    image = np.ma.masked_equal(np.array([[7, 9]], np.uint8), 9)
    with pytest.raises(ValueError, match="a value of uint8"):
        write_raster(tmp_path / "image.tif", image, nodata=nodata)


def test_without_a_masked_pixel_nothing_is_asked_for(tmp_path):
    path = write_raster(tmp_path / "whole.tif", np.ma.array([[1, 2]], dtype=np.uint8))
    assert read_raster(path).array.tolist() == [[[1, 2]]]
