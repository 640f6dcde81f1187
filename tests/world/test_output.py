from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mfnet_lite.world.output import split_names, write_tif


@given(st.integers(1, 60), st.sampled_from([(0.6, 0.2, 0.2), (0.8, 0.0, 0.2), (1.0, 0.0, 0.0)]))
def test_splits_are_complete_ordered_and_close_to_their_shares(
    tiles: int, splits: tuple[float, float, float]
) -> None:
    names = split_names(tiles, splits)
    assert len(names) == tiles
    order = {"train": 0, "val": 1, "test": 2}
    assert names == sorted(names, key=order.__getitem__)
    for name, share in zip(order, splits, strict=True):
        assert abs(names.count(name) - share * tiles) < 2
        assert share > 0 or names.count(name) == 0
        assert not (share > 0 and tiles >= 3) or names.count(name) > 0


def test_a_failed_write_leaves_nothing_behind(tmp_path: Path) -> None:
    target = tmp_path / "x.tif"
    write_tif(target, np.zeros((4, 4), np.uint8), gsd=1.0)
    old = target.read_bytes()
    with pytest.raises(TypeError, match="complex256"):
        write_tif(target, np.zeros((4, 4), np.dtype("complex256")), gsd=1.0)
    with pytest.raises(IndexError):  # one name too many: fails after the pixels were written
        write_tif(target, np.ones((4, 4), np.uint8), gsd=1.0, names=("a", "b"))
    assert target.read_bytes() == old
    assert [p.name for p in tmp_path.iterdir()] == ["x.tif"]
