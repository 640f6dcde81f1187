"""Which sample comes when: a pure function of (seed, position), so resuming is counting.

The usual way, a shuffling data loader with a state, cannot be continued in the middle of an epoch.
Here position ``p`` of the whole run belongs to epoch ``p // n``, whose order is a permutation drawn
from (seed, epoch). A run that resumes at step ``s`` starts to read at position ``s × batch`` and
sees exactly the samples it would have seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Sampler


class Samples(Protocol):
    """What training reads from: a length, and a sample by index."""

    def __len__(self) -> int:
        """Return the number of samples of one epoch."""
        ...

    def __getitem__(self, index: int) -> Mapping[str, Tensor]:
        """Return one sample, ``{sensor: (channels, height, width), "label": (height, width)}``."""
        ...


class PositionSampler(Sampler[list[int]]):
    """Batches of indices from a given step on.

    Args:
        length: samples per epoch.
        batch: samples per batch.
        start: first batch (0-based, counted from the beginning of the run).
        stop: batch before which to stop.
        seed: seed of the permutations.
        rank: which of ``world`` processes this is; they read disjoint batches.
        world: number of processes.
        endless: whether the data set turns *any* index into a fresh random sample; then epochs
            have no meaning and the position itself is the index.

    Example:
        >>> whole = list(PositionSampler(5, 2, 0, 6, seed=1))
        >>> whole[3:] == list(PositionSampler(5, 2, 3, 6, seed=1))
        True
        >>> sorted(i for indices in whole[:5] for i in indices)  # two epochs of five
        [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
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
        endless: bool = False,
    ) -> None:
        if length < 1:
            raise ValueError("the training set is empty; check the folder and the split")
        if batch < 1:
            raise ValueError(f"batch must be at least 1, got {batch}")
        self.length, self.batch, self.seed = length, batch, seed
        self.batches = range(start * world + rank, stop * world, world)
        self.endless = endless
        self._epoch = -1
        self._order: Sequence[int] = ()

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[list[int]]:
        for batch in self.batches:
            positions = range(batch * self.batch, (batch + 1) * self.batch)
            yield list(positions) if self.endless else [self._index(p) for p in positions]

    def _index(self, position: int) -> int:
        epoch, offset = divmod(position, self.length)
        if epoch != self._epoch:
            generator = np.random.default_rng([self.seed, epoch])
            self._epoch, self._order = epoch, generator.permutation(self.length).tolist()
        return self._order[offset]


def batches(dataset: Samples, sampler: PositionSampler, workers: int = 0) -> Iterable[Any]:
    """Iterate over collated batches in the order of the sampler.

    Args:
        dataset: samples whose content depends on the index only (else workers would change them).
        sampler: order.
        workers: reading processes; 0 reads in this one.
    """
    return DataLoader(
        dataset,  # type: ignore[arg-type]  # any object with the two methods of Samples will do
        batch_sampler=sampler,
        num_workers=workers,
        pin_memory=torch.cuda.is_available(),
        # its own generator: the loader must not draw from the stream that dropout uses
        generator=torch.Generator().manual_seed(sampler.seed),
    )
