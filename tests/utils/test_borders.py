"""Both sides of every border, of one map and of several."""

from __future__ import annotations

import numpy as np
from skimage.segmentation import find_boundaries

from mfnet_lite.utils.borders import borders


def test_borders_are_those_of_scikit_image() -> None:
    ids = np.random.default_rng(0).integers(0, 4, (9, 7))
    np.testing.assert_array_equal(borders(ids), find_boundaries(ids, mode="thick"))
    assert not borders(np.ones((4, 4), int)).any()


def test_several_maps_give_the_union() -> None:
    masks = np.random.default_rng(1).random((5, 8, 6)) > 0.7
    expected = np.any([find_boundaries(mask, mode="thick") for mask in masks], axis=0)
    np.testing.assert_array_equal(borders(masks), expected)
    assert borders(masks[:0]).shape == (8, 6)
    assert not borders(masks[:0]).any()
