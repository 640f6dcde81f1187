"""Clicks on one picture give the official predictor's single mask, at the picture's size."""

from __future__ import annotations

import numpy as np
import pytest
from segment_anything import SamPredictor

from mfnet_lite.sam import build_sam, clicks_on
from tests.small_sam import SMALL

PICTURE = np.random.default_rng(0).integers(0, 255, (40, 90, 3), dtype=np.uint8)


def test_clicks_and_box_are_the_official_predictors() -> None:
    sam = build_sam(SMALL).eval()
    ask, official = clicks_on(sam, PICTURE), SamPredictor(sam)
    official.set_image(PICTURE)
    xy, inside, box = (
        np.array([[70.0, 12.0], [5.0, 30.0]]),
        np.array([1, 0]),
        np.array([3, 4, 60, 30]),
    )
    clicks = [(70, 12, 1), (5, 30, 0)]
    for mine, theirs in (
        (ask(clicks), official.predict(xy, inside, multimask_output=False)),
        (ask(clicks, box=box), official.predict(xy, inside, box=box, multimask_output=False)),
        (ask([], box=box), official.predict(box=box, multimask_output=False)),
    ):
        assert mine.shape == (40, 90)
        assert mine.dtype == bool
        assert np.array_equal(mine, theirs[0][0])


@pytest.mark.parametrize(
    "picture",
    [PICTURE[..., 0], PICTURE / 255, PICTURE[..., :2]],
    ids=["grey", "floats", "two bands"],
)
def test_other_arrays_are_refused(picture: np.ndarray) -> None:
    with pytest.raises(ValueError, match="bytes"):
        clicks_on(build_sam(SMALL), picture)
