"""A vision-language pair behind one interface: an image encoder run block by block, a text encoder, one joint space.

What MFuser needs of CLIP, EVA02-CLIP, SigLIP or a small pair is little: blocks that can be stopped between, a
projection of tokens into the joint space, phrases as vectors between which learned prompts can stand, and how a cosine
becomes a logit. Everything is frozen and stays in evaluation mode.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import NamedTuple

import torch
from einops import rearrange
from jaxtyping import Bool, Float
from torch import Tensor, nn

from mfnet_lite.losses.pixel_text import Form, pixel_text_cosine
from mfnet_lite.nets.encoders.plain_vit import Grid, PlainViT

Classes = Sequence[Sequence[str]]
"""Phrases of each class; several ways to say it are averaged."""


class TextTokens(NamedTuple):
    """Phrases as vectors, before a text encoder.

    Args:
        vectors: One per token, as wide as :attr:`TextEncoder.width`.
        there: Which of them are part of the phrase; the others fill up to the longest.
    """

    vectors: Float[Tensor, "phrase token width"]
    there: Bool[Tensor, "phrase token"]


class TextEncoder(nn.Module):
    """Phrases into the joint space, in two steps between which learned prompts can be inserted.

    Attributes:
        width: Channels of a token.
        joint: Channels of the joint space.
    """

    width: int
    joint: int

    def train(self, mode: bool = True) -> TextEncoder:
        """Stay in evaluation mode: no dropout in a frozen network."""
        del mode
        return super().train(False)

    @abstractmethod
    def tokens(self, phrases: Sequence[str]) -> TextTokens:
        """Turn phrases into vectors.

        Args:
            phrases: At least one; words in any case.

        Raises:
            ValueError: If a phrase is empty or says nothing that the encoder knows.
        """

    @abstractmethod
    def encode(
        self, tokens: TextTokens, prompts: Float[Tensor, "prompt width"] | None = None
    ) -> Float[Tensor, "phrase joint"]:
        """Turn vectors into one embedding per phrase; gradients reach the prompts.

        Args:
            tokens: From :meth:`tokens`.
            prompts: Learned vectors, the same for all phrases, which stand before their words (CoOp: Zhou et al.,
                IJCV 2022, arXiv 2109.01134).
        """

    def forward(
        self, phrases: Sequence[str], prompts: Float[Tensor, "prompt width"] | None = None
    ) -> Float[Tensor, "phrase joint"]:
        """Embed phrases."""
        return self.encode(self.tokens(phrases), prompts)


class VisionLanguage(nn.Module):
    """An image encoder and a text encoder whose outputs can be compared.

    Attributes:
        image: The image encoder, block by block.
        text: The text encoder.
        joint: Channels of the joint space.
        form: Whether the pair was trained so that one text excludes the others (``"softmax"``: CLIP) or with yes
            or no for each (``"sigmoid"``: SigLIP).
        scale: What a cosine is multiplied by to become a logit.
        shift: What is added then.
    """

    image: PlainViT
    text: TextEncoder
    joint: int
    form: Form
    scale: float
    shift: float

    @abstractmethod
    def visual(
        self, tokens: Float[Tensor, "batch token width"], grid: Grid
    ) -> Float[Tensor, "batch one_and_patches joint"]:
        """Project the image encoder's last tokens into the joint space.

        Args:
            tokens: As the last block left them, prefix included.
            grid: Rows and columns of patches.

        Returns:
            The embedding of the whole image, then those of the patches, row by row.
        """

    def classes(
        self, classes: Classes, prompts: Float[Tensor, "prompt width"] | None = None
    ) -> Float[Tensor, "class joint"]:
        """Embed classes, each by the mean direction of its phrases.

        Args:
            classes: Phrases of each class.
            prompts: Learned vectors before the words.

        Raises:
            ValueError: If there is no class, or one has no phrase.
        """
        if not classes or any(isinstance(c, str) or not c for c in classes):
            raise ValueError(f"expected a list of phrases for each class, got {classes!r}")
        flat = [phrase for phrases in classes for phrase in phrases]
        every = nn.functional.normalize(self.text(flat, prompts), dim=-1)
        groups = every.split([len(phrases) for phrases in classes])
        return torch.stack([group.mean(dim=0) for group in groups])

    def forward(
        self,
        images: Float[Tensor, "batch 3 height width"],
        classes: Classes,
    ) -> Float[Tensor, "batch class patch_rows patch_columns"]:
        """Score every patch of normalised images against classes, without any training: logits.

        Args:
            images: Normalised by ``image.mean`` and ``image.std``; sides are multiples of the patch.
            classes: Phrases of each class.
        """
        grid = self.image.grid(images)
        tokens = self.image.embed(images)
        for number in range(self.image.depth):
            tokens = self.image.block(number, tokens, grid)
        patches = self.visual(tokens, grid)[:, 1:]
        dense = rearrange(patches, "b (h w) c -> b c h w", h=grid[0])
        text = self.classes(classes).expand(len(images), -1, -1)
        return self.scale * pixel_text_cosine(dense, text) + self.shift
