from __future__ import annotations

import numpy as np
import pytest

from mfnet_lite.world import Pair, make_pair, make_scene
from mfnet_lite.world.config import BUILDING, TREE


@pytest.fixture(scope="module")
def pair() -> Pair:
    return make_pair(7, size=384)


def test_same_seed_same_pair() -> None:
    a, b = (make_pair(11, size=64) for _ in range(2))
    for date in ("before", "after"):
        for field in ("optical", "dsm", "label"):
            one, two = (getattr(getattr(p, date), field) for p in (a, b))
            assert np.array_equal(one, two)


def test_mask_is_exactly_where_buildings_differ(pair: Pair) -> None:
    was, now = pair.before.label == BUILDING, pair.after.label == BUILDING
    assert np.array_equal(pair.change, was != now)
    assert np.array_equal(pair.built, now & ~was)
    assert np.array_equal(pair.removed, was & ~now)
    assert 0.01 < pair.change.mean() < 0.4
    assert pair.changed_lots


def test_change_shows_in_the_true_heights(pair: Pair) -> None:
    rise = pair.after.height - pair.before.height
    assert np.median(rise[pair.built]) > 2
    assert np.median(rise[pair.removed]) < -2
    still = ~pair.change & ~np.isin(pair.before.label, (4, 5)) & ~np.isin(pair.after.label, (4, 5))
    assert np.abs(rise[still]).max() < 2  # waist-high plants on a cleared lot at most


def test_trees_and_terrain_stay(pair: Pair) -> None:
    assert np.array_equal(pair.before.dtm, pair.after.dtm)
    was, now = pair.before.label == TREE, pair.after.label == TREE
    assert (was != now)[~pair.change].mean() < 0.02  # a crown may hide behind a new roof's edge


def test_zero_change_is_zero_however_different_the_day() -> None:
    quiet = make_pair(5, size=128, changed=0.0, pseudo_change=1.0)
    assert not quiet.change.any()
    assert quiet.changed_lots == ()
    assert quiet.before.sun_azimuth != quiet.after.sun_azimuth
    assert not np.array_equal(quiet.before.optical, quiet.after.optical)


def test_without_change_and_pseudo_change_only_noise_differs() -> None:
    same = make_pair(5, size=96, changed=0.0, pseudo_change=0.0, noise=0.0, dsm_error=0.0)
    assert np.array_equal(same.before.optical, same.after.optical)
    assert np.array_equal(same.before.dsm, same.after.dsm)
    noisy = make_pair(5, size=96, changed=0.0, pseudo_change=0.0)
    gap = noisy.before.optical.astype(int) - noisy.after.optical
    assert gap.any()
    assert np.abs(gap).mean() < 6


def test_the_first_date_is_the_scene_of_that_seed_less_what_comes() -> None:
    pair = make_pair(8, size=96, changed=0.0)
    assert np.array_equal(pair.before.optical, make_scene(8, size=96).optical)


def test_pseudo_change_moves_images_more_than_truth() -> None:
    def gap(amount: float) -> float:
        p = make_pair(6, size=128, changed=0.0, pseudo_change=amount)
        return float(np.abs(p.before.optical.astype(int) - p.after.optical).mean())

    assert gap(1.0) > 2 * gap(0.0)


def test_more_change_asked_more_change_got() -> None:
    shares = [make_pair(4, size=160, changed=c).change.mean() for c in (0.0, 0.3, 1.0)]
    assert shares[0] == 0 < shares[1] < shares[2]


def test_faults() -> None:
    with pytest.raises(ValueError, match=r"changed must lie in \[0, 1\], got 1.5"):
        make_pair(0, size=64, changed=1.5)
    with pytest.raises(ValueError, match=r"pseudo_change must lie in \[0, 1\], got -1"):
        make_pair(0, size=64, pseudo_change=-1)
