"""What all augmentations share: changes of a sample that depend on (seed, epoch, index) only.

A new augmentation is a class with one method::

    class RandomDropout(Augmentation):
        def change(self, sample, generator):
            keep = torch.rand(1, generator=generator) < 0.5
            return sample if keep else sample | {"dsm": torch.zeros_like(sample["dsm"])}

It draws from ``generator`` and from nothing else. Then a training that was interrupted goes on with the very
samples it would have seen, in any number of reading processes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

import torch
from torch import Tensor

from mfnet_lite.utils.samples import Samples, WrappedSamples

__all__ = ["Augmentation"]


class Augmentation(WrappedSamples[Samples], ABC):
    """A set of samples under an augmentation.

    Args:
        dataset: The samples below; ``set_epoch`` is passed on if it has one.
        seed: Seed of the changes, 0 or more.

    Raises:
        ValueError: If the seed is negative.
    """

    def __init__(self, dataset: Samples, seed: int) -> None:
        if seed < 0:
            raise ValueError(f"expected a seed of 0 or more, got {seed}")
        super().__init__(dataset)
        self.seed = seed
        self.epoch = 0

    @abstractmethod
    def change(self, sample: dict[str, Tensor], generator: torch.Generator) -> Mapping[str, Tensor]:
        """Change one sample.

        Args:
            sample: Images ``(channels, height, width)`` and maps ``(height, width)``; the dictionary
                may be changed, its tensors must not.
            generator: The only source of random numbers.

        Returns:
            The changed sample.
        """

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch, here and in the set below."""
        self.epoch = epoch
        super().set_epoch(epoch)

    def __getitem__(self, index: int) -> Mapping[str, Tensor]:
        return self.change(dict(self.dataset[index]), self.generator(index))

    def generator(self, index: int) -> torch.Generator:
        """Return the generator of one sample's changes."""
        # distinct for up to two million samples an epoch and a million epochs
        key = ((self.seed * 1_000_003 + self.epoch) * 2_097_169 + index) % 2**63
        return torch.Generator().manual_seed(key)
