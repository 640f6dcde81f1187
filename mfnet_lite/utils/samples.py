"""What training and scoring read from, and all that they know of a data set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from torch import Tensor

__all__ = ["Samples"]


class Samples(Protocol):
    """What training reads from: a length, and a sample by index."""

    def __len__(self) -> int:
        """Return the number of samples of one epoch."""
        ...

    def __getitem__(self, index: int) -> Mapping[str, Tensor]:
        """Return one sample, ``{sensor: (channels, height, width), "label": (height, width)}``."""
        ...
