from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mfnet_lite.rasters import LabelCoding, write_raster
from mfnet_lite.rasters.labels.label_files import read_label
from mfnet_lite.rasters.readers.isprs import PALETTE


def decoded(coding, array, name="a.tif", **header):
    """What every reader makes of a file that holds these pixels."""
    with TemporaryDirectory() as folder:
        return read_label(write_raster(Path(folder) / name, array, **header), coding)


COLOURS = {colour: index for index, colour in enumerate(PALETTE)} | {(0, 0, 0): 255}


def test_colours_to_indices():
    coding = LabelCoding(6, colours=COLOURS)
    image = np.array([*PALETTE, (0, 0, 0)], np.uint8).T[:, None, :]
    assert decoded(coding, image).tolist() == [[0, 1, 2, 3, 4, 5, 255]]


@given(st.lists(st.integers(0, 6), min_size=1, max_size=30))
def test_colours_round_trip(indices):
    table = np.array([*PALETTE, (0, 0, 0)], np.uint8)
    image = table[indices].T[:, None, :]
    expected = [255 if i == 6 else i for i in indices]
    assert decoded(LabelCoding(6, colours=COLOURS), image)[0].tolist() == expected


def test_unknown_colour_is_never_class_zero():
    image = np.array([(255, 255, 255), (254, 255, 255), (254, 255, 255)], np.uint8).T[:, None, :]
    with pytest.raises(
        ValueError,
        match=r"a\.tif holds 1 unknown label colour.*\(254, 255, 255\) \(2 px\).*, or \(0, 0, 0\), which counts as not",
    ):
        decoded(LabelCoding(6, colours=COLOURS), image)
    for unknown in (5, 255):
        coding = LabelCoding(6, colours=COLOURS, unknown=unknown)
        assert decoded(coding, image).tolist() == [[0, unknown, unknown]]


def test_index_beyond_the_classes():
    array = np.array([[[0, 5, 255, 9, 9, 7]]], np.uint8)
    with pytest.raises(ValueError, match=r"9 \(2 px\), 7 \(1 px\); expected the values 0, 1.*255"):
        decoded(LabelCoding(6), array)


def test_signed_values_and_wide_types():
    coding = LabelCoding(7, values={-1: 255} | {i: i for i in range(7)})
    for dtype in (np.int8, np.int16, np.int32, np.float32):
        assert decoded(coding, np.array([[[-1, 0, 6]]], dtype)).tolist() == [[255, 0, 6]]
    with pytest.raises(ValueError, match=r"0\.5 \(1 px\)"):
        decoded(coding, np.array([[[0.5, 1]]]))


def test_nodata_means_not_labelled():
    array = np.array([[[0, 1, 99]]], np.uint8)
    assert decoded(LabelCoding(2), array, nodata=99).tolist() == [[0, 1, 255]]


def test_bands():
    grey = np.repeat(np.array([[[0, 255]]], np.uint8), 3, axis=0)
    pairs = LabelCoding(2, values={0: 0, 1: 1, 255: 1})
    assert decoded(pairs, grey).tolist() == [[0, 1]]
    grey[1, 0, 0] = 3
    with pytest.raises(ValueError, match="one band of class values, got 3"):
        decoded(pairs, grey)
    with pytest.raises(ValueError, match="three bands"):
        decoded(LabelCoding(6, colours=COLOURS), grey[:1])
