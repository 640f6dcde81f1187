"""Which sample comes when: a pure function of (seed, position), so resuming is counting.

The usual way, a shuffling data loader with a state, cannot be continued in the middle of an epoch.
Here position ``p`` of the whole run belongs to epoch ``p // n``, whose order is a permutation drawn
from (seed, epoch). A run that resumes at step ``s`` starts to read at position ``s × batch`` and
sees exactly the samples it would have seen.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Sampler, get_worker_info

from mfnet_lite.utils.samples import Samples


class PositionSampler(Sampler[list[tuple[int, int]]]):
    """Batches of indices from a given step on.

    Args:
        length: samples per epoch.
        batch: samples per batch.
        start: first batch (0-based, counted from the beginning of the run).
        stop: batch before which to stop.
        seed: seed of the permutations.
        rank: which of ``world`` processes this is; they read disjoint batches.
        world: number of processes.

    Yields:
        Batches as lists of ``(epoch, index)``.

    Example:
        >>> whole = list(PositionSampler(5, 2, 0, 6, seed=1))
        >>> whole[3:] == list(PositionSampler(5, 2, 3, 6, seed=1))
        True
        >>> sorted(place for batch in whole for place in batch)[3:7]  # two epochs of five, and more
        [(0, 3), (0, 4), (1, 0), (1, 1)]
    """

    def __init__(
        self,
        length: int,
        batch: int,
        start: int,
        stop: int,
        seed: int,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        if length < 1:
            raise ValueError("the training set is empty; check the folder and the split")
        if batch < 1:
            raise ValueError(f"batch must be at least 1, got {batch}")
        self.length, self.batch, self.seed = length, batch, seed
        self.batches = range(start * world + rank, stop * world, world)
        self._epoch = -1
        self._order: Sequence[int] = ()

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        for batch in self.batches:
            yield [self._place(batch * self.batch + offset) for offset in range(self.batch)]

    def _place(self, position: int) -> tuple[int, int]:
        epoch, offset = divmod(position, self.length)
        if epoch != self._epoch:
            generator = np.random.default_rng([self.seed, epoch])
            self._epoch, self._order = epoch, generator.permutation(self.length).tolist()
        return epoch, self._order[offset]


class ByEpoch:
    """Answers ``(epoch, index)``: tells the data set the epoch, if it wants to know.

    A set of random crops has ``set_epoch``, after which the same index is another crop.

    Args:
        dataset: the samples.
    """

    def __init__(self, dataset: Samples) -> None:
        self.dataset = dataset
        self._set_epoch = getattr(dataset, "set_epoch", None)

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, place: tuple[int, int]) -> Mapping[str, Tensor]:
        epoch, index = place
        if self._set_epoch is not None:
            self._set_epoch(epoch)
        return self.dataset[index]

    def be_alone(self) -> None:
        """Stop sharing the data set's counters with other processes.

        A data set may keep its epoch in shared memory. Two workers at the border of an epoch would
        then change it under each other.
        """
        self.__init__(_alone(self.dataset))  # type: ignore[misc]


def _alone(dataset: Samples) -> Samples:
    """Copy a data set, and those it wraps, without the numbers it shares; its data stay shared."""
    alone = copy.copy(dataset)
    for name, value in vars(alone).items():
        if isinstance(value, Tensor) and value.is_shared() and value.numel() == 1:
            setattr(alone, name, value.clone())
        elif name == "dataset":
            setattr(alone, name, _alone(value))
    return alone


def _start_worker(_: int) -> None:
    info = get_worker_info()
    if info is not None and isinstance(info.dataset, ByEpoch):
        info.dataset.be_alone()


def batches(dataset: Samples, sampler: PositionSampler, workers: int = 0) -> Iterable[Any]:
    """Iterate over collated batches in the order of the sampler.

    Args:
        dataset: samples whose content depends on the index only (else workers would change them).
        sampler: order.
        workers: reading processes; 0 reads in this one.
    """
    return DataLoader(
        ByEpoch(dataset),  # type: ignore[arg-type]  # anything with the two methods will do
        batch_sampler=sampler,
        num_workers=workers,
        worker_init_fn=_start_worker,
        pin_memory=torch.cuda.is_available(),
        # its own generator: the loader must not draw from the stream that dropout uses
        generator=torch.Generator().manual_seed(sampler.seed),
    )
