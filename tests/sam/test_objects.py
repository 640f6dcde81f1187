"""Objects and boundaries from masks: the authors' numbers, scikit-image's outlines, no masks at all."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skimage.segmentation import find_boundaries

from mfnet_lite.sam import build_sam
from mfnet_lite.sam.objects import (
    ObjectSettings,
    find_objects,
    objects_from_masks,
    outlines,
)
from tests.small_sam import ONE_BLOCK


def golden_masks() -> np.ndarray:
    masks = np.zeros((4, 32, 32), dtype=bool)
    masks[0, 8:16, 8:16] = True
    masks[1, 2:30, 2:30] = True
    masks[2, 22:25, 22:25] = True
    masks[3, 0:10, 20:30] = True
    return masks


def test_golden() -> None:
    found = objects_from_masks(golden_masks(), min_area=50, max_objects=50)
    assert found.boundaries.sum() == 336
    assert "".join(".#"[int(b)] for b in found.boundaries[8]) == ".##....##########..##........##."
    ids, counts = np.unique(found.objects, return_counts=True)
    assert dict(zip(ids.tolist(), counts.tolist(), strict=True)) == {0: 451, 1: 481, 2: 56, 3: 36}
    row = "0 0 0 1 1 1 1 0 0 3 3 3 3 3 3 0 0 1 1 1 1 1 1 1 1 1 1 1 1 0 0 0"
    assert found.objects[12].tolist() == [int(value) for value in row.split()]
    assert found.whole[12, 8] == 3


@given(st.integers(0, 1000), st.integers(0, 4))
def test_outlines_are_those_of_scikit_image(seed: int, count: int) -> None:
    masks = np.random.default_rng(seed).random((count, 7, 9)) < 0.5
    expected = np.zeros((7, 9), dtype=bool)
    for mask in masks:
        expected |= find_boundaries(mask, mode="thick")
    assert np.array_equal(outlines(masks), expected)


def test_only_the_largest() -> None:
    found = objects_from_masks(golden_masks(), max_objects=1)
    assert set(np.unique(found.whole)) == {0, 1}
    assert (found.whole == 1).sum() == 784
    assert found.boundaries.sum() == 336  # the outlines of all masks count


def test_of_equal_areas_the_later_lies_on_top() -> None:
    masks = np.zeros((2, 4, 4), dtype=bool)
    masks[0, :, :3] = masks[1, :, 1:] = True
    assert objects_from_masks(masks, min_area=1).whole[0].tolist() == [1, 2, 2, 2]


def test_no_masks() -> None:
    found = objects_from_masks(np.zeros((0, 5, 6), dtype=bool))
    assert not found.objects.any()
    assert not found.boundaries.any()
    assert found.objects.shape == (5, 6)


def test_find_objects_in_a_image() -> None:
    sam = build_sam(ONE_BLOCK, seed=0)
    image = np.zeros((24, 32, 3), dtype=np.uint8)
    loose = ObjectSettings(
        points_per_side=2, pred_iou_thresh=-1.0, stability_score_thresh=0.0, min_area=1
    )
    found = find_objects(sam, image, loose)
    assert found.whole.shape == (24, 32)
    assert found.whole.max() >= 1
    strict = ObjectSettings(points_per_side=2, pred_iou_thresh=1e9)
    assert not find_objects(sam, image, strict).whole.any()


def test_official_settings() -> None:
    settings = ObjectSettings.official()
    assert (settings.pred_iou_thresh, settings.box_nms_thresh) == (0.96, 0.5)
    assert (settings.points_per_side, settings.stability_score_thresh) == (32, 0.95)
    assert (settings.min_area, settings.max_objects) == (50, 50)


def test_errors() -> None:
    with pytest.raises(ValueError, match=r"expected boolean masks .* got uint8 of shape \(2, 3\)"):
        objects_from_masks(np.zeros((2, 3), dtype=np.uint8))


def test_it_is_three_maps_to_unpack_with_scores_beside_them() -> None:
    masks = np.zeros((2, 12, 12), dtype=bool)
    masks[0, 1:5, 1:5] = True
    masks[1, 5:11, 5:11] = True  # the larger one becomes object 1
    found = objects_from_masks(masks, min_area=1, scores=np.array([0.4, 0.9]))
    objects, _, whole = found
    assert objects is found.objects
    assert whole is found.whole
    assert whole[7, 7] == 1
    assert found.scores is not None
    assert found.scores.tolist() == [0.9, 0.4]
    assert objects_from_masks(masks, min_area=1).scores is None
