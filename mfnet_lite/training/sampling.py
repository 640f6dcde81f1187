"""Which sample comes when: a pure function of (seed, position), so resuming is counting.

The usual way, a shuffling data loader with a state, cannot be continued in the middle of an epoch.
Here position ``p`` of the whole run belongs to epoch ``p // n``, whose order is a permutation drawn
from (seed, epoch). A run that resumes at step ``s`` starts to read at position ``s × batch`` and
sees exactly the samples it would have seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Sampler, get_worker_info

from mfnet_lite.utils.samples import Samples, without_shared_state


class PositionSampler(Sampler[list[tuple[int, int]]]):
    """Batches of indices from a given step on.

    Args:
        length: Samples per epoch.
        batch: Samples per batch.
        start: First batch (0-based, counted from the beginning of the run).
        stop: Batch before which to stop.
        seed: Seed of the permutations.
        rank: Which of ``world`` processes this is; they read disjoint batches.
        world: Number of processes.

    Yields:
        Batches as lists of ``(epoch, index)``.

    Example:
        >>> whole = list(PositionSampler(5, 2, 0, 6, seed=1))
        >>> whole[3:] == list(PositionSampler(5, 2, 3, 6, seed=1))
        True
        >>> sorted(sample for batch in whole for sample in batch)[3:7]  # two epochs of five, and more
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
            yield [self._sample_at(batch * self.batch + offset) for offset in range(self.batch)]

    def _sample_at(self, position: int) -> tuple[int, int]:
        """Epoch and index of the sample at a position of the whole run."""
        epoch, offset = divmod(position, self.length)
        if epoch != self._epoch:
            generator = np.random.default_rng([self.seed, epoch])
            self._epoch, self._order = epoch, generator.permutation(self.length).tolist()
        return epoch, self._order[offset]


class ByEpoch:
    """Answers ``(epoch, index)``: sets the epoch of the data set, if it has epochs.

    Args:
        dataset: The samples.
    """

    def __init__(self, dataset: Samples) -> None:
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, epoch_and_index: tuple[int, int]) -> Mapping[str, Tensor]:
        epoch, index = epoch_and_index
        set_epoch = getattr(self.dataset, "set_epoch", None)
        if set_epoch is not None:
            set_epoch(epoch)
        return self.dataset[index]


def _start_worker(_: int) -> None:
    """Give a reading process an epoch of its own: at the border of an epoch others are still in the last."""
    info = get_worker_info()
    if info is not None and info.num_workers > 1:
        assert isinstance(info.dataset, ByEpoch)
        info.dataset.dataset = without_shared_state(info.dataset.dataset)


def batches(dataset: Samples, sampler: PositionSampler, workers: int = 0) -> Iterable[Any]:
    """Iterate over collated batches in the order of the sampler.

    Args:
        dataset: Samples whose content depends on (epoch, index) only, else workers would change them.
        sampler: The order.
        workers: Reading processes; 0 reads in this one.

    Returns:
        Batches; each entry of a sample is stacked along a new first axis.

    Raises:
        TypeError: If several processes are to read a set that has epochs and cannot keep them apart.
    """
    if workers > 1:
        without_shared_state(dataset)  # refused here rather than in every worker
    return DataLoader(
        ByEpoch(dataset),  # type: ignore[arg-type]  # anything with the two methods will do
        batch_sampler=sampler,
        num_workers=workers,
        worker_init_fn=_start_worker,
        pin_memory=torch.cuda.is_available(),
        # its own generator: the loader must not draw from the stream that dropout uses
        generator=torch.Generator().manual_seed(sampler.seed),
    )
