r"""Class embeddings that an image refines, carefully.

.. math:: T' = T + \gamma \odot \mathrm{MTEnhancer}(T, V)

MFuser (Zhang and Tan, CVPR 2025, arXiv 2504.03193) adds to the words' embeddings T what MTEnhancer reads in the image's
embeddings V, with one weight per channel.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from mfnet_lite.nets.layers.mt_enhancer import MTEnhancer

START = 1e-4
"""Of the weights: nearly the words alone."""


class RefinedText(nn.Module):
    """Refine the embeddings of classes by an image.

    Args:
        text_channels: Width of the classes' embeddings.
        image_channels: Width of the image's; None for the same.
        channels: Width in which they meet.
        heads: Number of heads of the classes' attention.
        states: Number of states of the scan.
        blocks: Number of blocks.
        dropout: Probability of a channel to be dropped.
        start: Weight of the change before training.
        official: What the authors' code ends up with: it declares the weights with 1e-4, but a pass over all
            parameters then draws them anew with a standard deviation of 1, and every linear layer with one of 0.02
            and bias zero, that of the scan's step sizes included. The form of MVFuser is theirs too.

    Shape:
        ``(batch, classes, text_channels)``, ``(batch, 1 + patches, image_channels)`` → the first.

    Note:
        The scan reads the classes one after the other, so that their order has some effect here.

    Example:
        >>> module = RefinedText(12, channels=8, heads=2).eval()
        >>> text = torch.randn(1, 3, 12)
        >>> (module(text, torch.randn(1, 5, 12)) - text).abs().max().item() < 0.01
        True
    """

    def __init__(
        self,
        text_channels: int,
        image_channels: int | None = None,
        channels: int = 256,
        heads: int = 4,
        states: int = 16,
        blocks: int = 1,
        dropout: float = 0.1,
        start: float = START,
        official: bool = False,
    ) -> None:
        super().__init__()
        image_channels = text_channels if image_channels is None else image_channels
        self.enhancer = MTEnhancer(
            text_channels, image_channels, channels, heads, states, blocks, dropout, official
        )
        self.gamma = nn.Parameter(torch.full((text_channels,), start))
        if official:
            self._start_as_released()

    @torch.no_grad()
    def _start_as_released(self) -> None:
        nn.init.trunc_normal_(self.gamma, std=1.0)
        for part in self.enhancer.modules():
            if isinstance(part, nn.Linear):
                nn.init.trunc_normal_(part.weight, std=0.02)
                if part.bias is not None:
                    nn.init.zeros_(part.bias)

    def forward(
        self,
        text: Float[Tensor, "batch class text_channels"],
        image: Float[Tensor, "batch one_and_patches image_channels"],
    ) -> Float[Tensor, "batch class text_channels"]:
        """Refine.

        Args:
            text: Embeddings of the classes, for each image.
            image: Embedding of the image, then of its patches, in the joint space.
        """
        out: Tensor = text + self.gamma * self.enhancer(text, image)
        return out
