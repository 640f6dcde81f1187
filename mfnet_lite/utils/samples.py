"""What training and scoring read from, and all that they know of a data set.

Any object with a length and samples by index will do: a list, a ``torch.utils.data.Dataset``. A set whose
samples differ from epoch to epoch (random crops, augmentations) takes the epoch by ``set_epoch``, and offers
``without_shared_state`` for reading by several processes. One that changes the samples of another set
inherits both from :class:`WrappedSamples`.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Generic, Protocol, Self, TypeVar, runtime_checkable

from torch import Tensor

__all__ = ["EpochSamples", "Samples", "WrappedSamples", "without_shared_state"]


class Samples(Protocol):
    """What training reads from: a length, and a sample by index."""

    def __len__(self) -> int:
        """Return the number of samples of one epoch."""
        ...

    def __getitem__(self, index: int) -> Mapping[str, Tensor]:
        """Return one sample, ``{sensor: (channels, height, width), "label": (height, width)}``."""
        ...


@runtime_checkable
class EpochSamples(Samples, Protocol):
    """Samples which are a function of (epoch, index)."""

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch that the next samples belong to."""
        ...

    def without_shared_state(self) -> Self:
        """Return a copy whose epoch no other process can change; files and data stay shared.

        Two processes that read at the border of an epoch are in two epochs at once. A set that keeps its
        epoch in shared memory gives the copy memory of its own.
        """
        ...


Below = TypeVar("Below", bound=Samples)


class WrappedSamples(Generic[Below]):
    """Base of a set that changes the samples of another one; the epoch is passed on to that one.

    Args:
        dataset: The set below.
    """

    def __init__(self, dataset: Below) -> None:
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.dataset)

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch of the set below, if it has epochs."""
        below = getattr(self.dataset, "set_epoch", None)
        if below is not None:
            below(epoch)

    def without_shared_state(self) -> Self:
        """Return a copy over a copy of the set below that shares no epoch with other processes."""
        alone = copy.copy(self)
        alone.dataset = without_shared_state(self.dataset)
        return alone


def without_shared_state(dataset: Below) -> Below:
    """Return a copy of a set that may be read in one epoch while another process reads the next.

    Args:
        dataset: Any samples.

    Returns:
        The copy; a set without epochs itself.

    Raises:
        TypeError: If the set has epochs, but no method to copy them.
    """
    if isinstance(dataset, EpochSamples):
        return dataset.without_shared_state()
    if hasattr(dataset, "set_epoch"):
        kind = type(dataset).__name__
        raise TypeError(
            f"expected a method without_shared_state of {kind}, which has set_epoch and is to be read by "
            f"several processes; let {kind} inherit from mfnet_lite.utils.samples.WrappedSamples, give it "
            "that method, or read with one worker"
        )
    return dataset
