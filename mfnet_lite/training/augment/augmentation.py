"""What all augmentations share: a set of samples whose changes depend on (seed, epoch, index) only."""

from __future__ import annotations

import torch

from mfnet_lite.utils.samples import Samples


class Augmentation:
    """A set of samples under an augmentation, which draws from :meth:`generator`.

    Args:
        dataset: The samples below; ``set_epoch`` is passed on if it has one.
        seed: Seed of the changes, 0 or more.

    Raises:
        ValueError: If the seed is negative.
    """

    def __init__(self, dataset: Samples, seed: int) -> None:
        if seed < 0:
            raise ValueError(f"expected a seed of 0 or more, got {seed}")
        self.dataset, self.seed = dataset, seed
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch, here and in the set below."""
        self.epoch = epoch
        below = getattr(self.dataset, "set_epoch", None)
        if below is not None:
            below(epoch)

    def __len__(self) -> int:
        return len(self.dataset)

    def generator(self, index: int) -> torch.Generator:
        """Return the generator of one sample's changes."""
        # distinct for up to two million samples an epoch and a million epochs
        key = ((self.seed * 1_000_003 + self.epoch) * 2_097_169 + index) % 2**63
        return torch.Generator().manual_seed(key)
