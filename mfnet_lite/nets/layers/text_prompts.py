"""Learned prompts: vectors before the words of every class, in place of "a photo of a".

Zhou et al., "Learning to Prompt for Vision-Language Models" (CoOp), IJCV 2022, arXiv 2109.01134. The text encoder stays
frozen; gradients pass through it to the few vectors, which all classes share, so that classes never seen in training
get them too.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

RELEASED_STD = 1.0
"""Of MFuser's prompts, 8 with EVA02-CLIP and 5 with CLIP and SigLIP."""


class TextPrompts(nn.Module):
    """Vectors that stand before the words of all classes.

    They start from a normal distribution cut at two standard deviations. MFuser's has a standard deviation of 1, many
    times the size of the vectors of a small encoder's words, which would then hardly be heard beside them.

    Args:
        count: Number of vectors.
        width: Channels of a token of the text encoder.
        std: Standard deviation at the start; None for that of ``words``, or 1, as released, without them.
        words: Vectors of words as the encoder knows them, whose size is taken.

    Raises:
        ValueError: If a number does not fit.

    Example:
        >>> TextPrompts(4, 8)().shape
        torch.Size([4, 8])
    """

    def __init__(
        self,
        count: int,
        width: int,
        std: float | None = None,
        words: Float[Tensor, "*word width"] | None = None,
    ) -> None:
        super().__init__()
        if count < 1 or width < 1 or (std is not None and std <= 0):
            raise ValueError(
                "expected at least one prompt, one channel and a positive std, got "
                f"count={count}, width={width}, std={std}"
            )
        if words is not None and (words.shape[-1] != width or not words.numel()):
            raise ValueError(
                f"expected vectors of words with {width} channels, got {tuple(words.shape)}"
            )
        self.vectors = nn.Parameter(torch.empty(count, width))
        nn.init.trunc_normal_(self.vectors, std=1.0, a=-2.0, b=2.0)
        size: float | Tensor = RELEASED_STD if std is None else std
        if std is None and words is not None:
            # root mean square: a common offset of all words is part of their size
            size = words.detach().float().square().mean().sqrt().to(self.vectors)
        with torch.no_grad():
            self.vectors.mul_(size)

    def forward(self) -> Float[Tensor, "prompt width"]:
        """Return the vectors."""
        return self.vectors
