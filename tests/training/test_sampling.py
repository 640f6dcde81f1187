"""The order of samples: complete epochs, disjoint processes, continuation anywhere."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mfnet_lite.training.sampling import PositionSampler


@given(
    length=st.integers(1, 12),
    batch=st.integers(1, 5),
    stop=st.integers(0, 12),
    start=st.integers(0, 12),
    seed=st.integers(0, 3),
)
def test_a_run_can_start_anywhere(length, batch, stop, start, seed):
    start = min(start, stop)
    whole = list(PositionSampler(length, batch, 0, stop, seed))
    rest = PositionSampler(length, batch, start, stop, seed)
    assert list(rest) == whole[start:]
    assert len(rest) == stop - start


@given(length=st.integers(1, 12), batch=st.integers(1, 5), seed=st.integers(0, 3))
def test_every_epoch_sees_every_sample_once(length, batch, seed):
    flat = [i for part in PositionSampler(length, batch, 0, 3 * length, seed) for i in part]
    for epoch in range(3 * batch):
        assert Counter(flat[epoch * length : (epoch + 1) * length]) == Counter(range(length))


def test_processes_share_the_batches():
    alone = list(PositionSampler(7, 2, 0, 6, seed=0))
    two = [list(PositionSampler(7, 2, 0, 3, seed=0, rank=r, world=2)) for r in (0, 1)]
    assert two == [alone[0::2], alone[1::2]]


def test_endless_sets_are_read_in_order():
    assert list(PositionSampler(1, 3, 1, 3, seed=0, endless=True)) == [[3, 4, 5], [6, 7, 8]]


def test_epochs_differ_and_seeds_differ():
    order = [i for part in PositionSampler(20, 20, 0, 2, seed=0) for i in part]
    assert order[:20] != order[20:]
    assert order[:20] != next(iter(PositionSampler(20, 20, 0, 1, seed=1)))


def test_faults():
    with pytest.raises(ValueError, match="batch"):
        PositionSampler(1, 0, 0, 1, seed=0)
