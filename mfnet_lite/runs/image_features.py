"""Frozen features of the images of dialogues: computed when first asked for, then kept."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor
from tqdm.auto import tqdm

from mfnet_lite.language.instructions import Dialogue
from mfnet_lite.nets.earthgpt import EarthGPT
from mfnet_lite.rasters.square_image import read_square

__all__ = ["ImageFeatures"]

KEPT = 4 * 2**30
"""Bytes of features that are kept, if nobody says."""
AT_ONCE = 16
"""Images that run through the encoders together."""


class ImageFeatures:
    """Features by image, in bfloat16 and in memory; beyond a limit they are computed anew each time.

    Several dialogues about one file share its features.

    Args:
        model: Its encoders are frozen, so the features stay right while it is trained.
        root: Folder that the images are named relative to.
        dialogues: About what.
        kept: Bytes kept at most.
    """

    def __init__(
        self, model: EarthGPT, root: str | Path, dialogues: Sequence[Dialogue], kept: int = KEPT
    ) -> None:
        self.model, self.root, self.kept = model, Path(root), kept
        self.files = [dialogue.image for dialogue in dialogues]
        self.known: dict[str, Tensor] = {}
        self.size = 0
        self.full = False

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> Float[Tensor, "token channels"]:
        """Return the features of a dialogue's image."""
        return self.of([index])[0]

    def of(self, indices: Sequence[int]) -> list[Float[Tensor, "token channels"]]:
        """Return the features of the images of several dialogues.

        Raises:
            FileNotFoundError: If an image is not there.
            ValueError: If it cannot be read.
        """
        wanted = list(dict.fromkeys(self.files[index] for index in indices))
        missing = [file for file in wanted if file not in self.known]
        fresh: dict[str, Tensor] = {}
        for begin in range(0, len(missing), AT_ONCE):
            files = missing[begin : begin + AT_ONCE]
            side = self.model.config.image_size
            images = torch.stack([read_square(self.root / file, side) for file in files])
            fresh |= zip(files, self.model.features(images).bfloat16().cpu(), strict=True)
        for file, features in fresh.items():
            if self.size + features.nbytes > self.kept:
                self.full = True
            else:
                self.known[file] = features.clone()  # not a view that keeps the whole batch
                self.size += features.nbytes
        return [fresh.get(f, self.known.get(f)) for f in (self.files[i] for i in indices)]  # type: ignore[misc]

    def compute(self, progress: bool = True) -> None:
        """Compute all that will be kept now, under a progress bar.

        Args:
            progress: Whether to draw it.
        """
        for begin in tqdm(
            range(0, len(self), AT_ONCE), desc="features", unit="batch", disable=not progress
        ):
            if self.full:
                return
            self.of(range(begin, min(begin + AT_ONCE, len(self))))
