"""The order of samples: complete epochs, disjoint processes, continuation anywhere."""

from __future__ import annotations

import copy
from collections import Counter

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mfnet_lite.training.augment.jitter import RandomJitter
from mfnet_lite.training.sampling import PositionSampler, batches
from mfnet_lite.utils.samples import without_shared_state


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
    expected = [(epoch, index) for epoch in range(3 * batch) for index in range(length)]
    assert Counter(flat) == Counter(expected)
    assert [epoch for epoch, _ in flat] == [epoch for epoch, _ in expected]


def test_processes_share_the_batches():
    alone = list(PositionSampler(7, 2, 0, 6, seed=0))
    two = [list(PositionSampler(7, 2, 0, 3, seed=0, rank=r, world=2)) for r in (0, 1)]
    assert two == [alone[0::2], alone[1::2]]


class Crops:
    """Like random crops: an epoch in shared memory, and samples which depend on it."""

    def __init__(self) -> None:
        self.epoch = torch.zeros(1, dtype=torch.int64).share_memory_()

    def set_epoch(self, epoch: int) -> None:
        self.epoch.fill_(epoch)

    def without_shared_state(self) -> Crops:
        alone = copy.copy(self)
        alone.epoch = self.epoch.clone()
        return alone

    def __len__(self) -> int:
        return 3

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        return {"at": torch.tensor([int(self.epoch), index])}


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize("workers", [0, 2])
def test_a_set_of_crops_learns_its_epoch(workers, wrapped):
    crops = RandomJitter(Crops(), quarter_turns=False) if wrapped else Crops()
    sampler = PositionSampler(3, 2, 0, 30, seed=0)
    read = [batch["at"].tolist() for batch in batches(crops, sampler, workers)]
    assert read == [[list(place) for place in part] for part in sampler]
    assert read[-1][-1][0] == 19


class Unprepared(Crops):
    """Has epochs in shared memory and no way to keep those of two processes apart."""

    without_shared_state = None  # type: ignore[assignment]


@pytest.mark.parametrize("wrapped", [False, True])
def test_two_processes_need_epochs_that_can_be_kept_apart(wrapped):
    crops = RandomJitter(Unprepared(), quarter_turns=False) if wrapped else Unprepared()
    sampler = PositionSampler(3, 2, 0, 6, seed=0)
    with pytest.raises(TypeError, match="method without_shared_state of Unprepared"):
        batches(crops, sampler, workers=2)
    read = [batch["at"].tolist() for batch in batches(crops, sampler, workers=1)]
    assert read == [[list(place) for place in part] for part in sampler]


def test_a_copy_for_another_process_keeps_its_epoch():
    crops = RandomJitter(Crops())
    crops.set_epoch(3)
    alone = without_shared_state(crops)
    crops.set_epoch(4)
    assert (alone.epoch, int(alone.dataset.epoch)) == (3, 3)
    assert (crops.epoch, int(crops.dataset.epoch)) == (4, 4)
    plain = [{"optical": torch.zeros(1, 2, 2)}]
    assert without_shared_state(plain) is plain


def test_epochs_differ_and_seeds_differ():
    order = [i for part in PositionSampler(20, 20, 0, 2, seed=0) for _, i in part]
    assert order[:20] != order[20:]
    assert order[:20] != [i for _, i in next(iter(PositionSampler(20, 20, 0, 1, seed=1)))]


def test_faults():
    with pytest.raises(ValueError, match="batch"):
        PositionSampler(1, 0, 0, 1, seed=0)
