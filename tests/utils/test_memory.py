"""Absurd sizes are one sentence, at once: no option takes memory that is not there."""

from __future__ import annotations

import numpy as np
import pytest

from mfnet_lite import world
from mfnet_lite.nets.unet import UNetConfig
from mfnet_lite.sam import TINY, build_sam
from mfnet_lite.sam.automatic import generate_masks
from mfnet_lite.sam.objects import ObjectSettings
from mfnet_lite.utils.memory import check_memory, physical_memory
from mfnet_lite.world.config import check_size


def test_what_fits_passes_and_what_does_not_is_told():
    total = physical_memory()
    assert total is None or total > 2**28
    check_memory(2**20, "a crop", "take another")
    with pytest.raises(
        ValueError,
        match=r"^a crop takes at least \d+ GiB of memory, this computer has \d+; smaller",
    ):
        check_memory(2**60, "a crop", "smaller")


def test_where_the_system_does_not_say_nothing_is_refused(monkeypatch):
    monkeypatch.delattr("os.sysconf")
    assert physical_memory() is None
    check_memory(2**60, "a crop", "take another")


ABSURD = {
    "scene": lambda folder: check_size(10**9, 0.25, 0),
    "folder of scenes": lambda folder: world.write_folder(folder, 1, 10**9, quiet=True),
    "plates": lambda folder: world.write_plates(folder, 1, 10**9, quiet=True),
    "width": lambda folder: UNetConfig(width=10**9).build({"optical": 3}, 2),
    "depth": lambda folder: UNetConfig(depth=10**9).build({"optical": 3}, 2),
    "points": lambda folder: generate_masks(
        build_sam(TINY), np.zeros((8, 8, 3), np.uint8), points_per_side=10**9
    ),
}


@pytest.mark.parametrize("what", ABSURD)
def test_absurd_sizes(what, tmp_path):
    with pytest.raises(
        ValueError, match=r"takes at least \d+ GiB of memory, this computer has \d+; "
    ):
        ABSURD[what](tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"points_per_side": 0}, "at least 1"),
        ({"pred_iou_thresh": float("nan")}, "must be a number"),
    ],
    ids=["points", "quality"],
)
def test_settings_of_masks_that_find_nothing(changes, said):
    with pytest.raises(ValueError, match=said):
        ObjectSettings(**changes)
