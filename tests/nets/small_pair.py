"""A vision-language pair small enough for tests: SAM's blocks for images, one vector per letter for texts."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mfnet_lite.nets.encoders.plain_vit import SamViT
from mfnet_lite.nets.encoders.vision_language import TextEncoder, TextTokens, VisionLanguage
from mfnet_lite.sam import SamConfig, build_sam

SIZES = SamConfig(
    image_size=64, patch_size=8, width=24, depth=4, heads=3, window=4, global_blocks=(1, 3),
    prompt_dim=32,
)  # fmt: skip


class LetterText(TextEncoder):
    """Phrases by their letters."""

    def __init__(self, width: int = 12, joint: int = 16) -> None:
        super().__init__()
        self.width, self.joint = width, joint
        self.letters = nn.Embedding(27, width)
        self.project = nn.Linear(width, joint)
        self.requires_grad_(False)

    def tokens(self, phrases: Sequence[str]) -> TextTokens:
        if not phrases or any(not p.strip() for p in phrases):
            raise ValueError(f"expected phrases, got {phrases!r}")
        longest = max(len(p) for p in phrases)
        ids = torch.zeros(len(phrases), longest, dtype=torch.long)
        there = torch.zeros(len(phrases), longest, dtype=torch.bool)
        for row, phrase in enumerate(phrases):
            for column, letter in enumerate(phrase.lower()):
                ids[row, column] = (ord(letter) - 96) % 27
                there[row, column] = True
        device = self.letters.weight.device
        return TextTokens(self.letters(ids.to(device)), there.to(device))

    def encode(self, tokens: TextTokens, prompts: Tensor | None = None) -> Tensor:
        kept = tokens.there[..., None]
        places = torch.arange(1, tokens.vectors.shape[1] + 1).to(tokens.vectors)[:, None]
        total = (tokens.vectors * places.sqrt() * kept).sum(dim=1)
        count = kept.sum(dim=1)
        if prompts is not None:
            total, count = total + prompts.sum(dim=0), count + len(prompts)
        return self.project(torch.tanh(total / count))


class SmallPair(VisionLanguage):
    """The pair."""

    form = "softmax"
    scale, shift = 10.0, 0.0

    def __init__(self, joint: int = 16, sizes: SamConfig = SIZES) -> None:
        super().__init__()
        self.image = SamViT(small_sam(sizes))
        self.text = LetterText(joint=joint)
        self.joint = joint
        self.project = nn.Linear(self.image.width, joint)
        self.requires_grad_(False)

    def visual(self, tokens: Tensor, grid: tuple[int, int]) -> Tensor:
        del grid
        out = self.project(tokens)
        return torch.cat([out.mean(dim=1, keepdim=True), out], dim=1)


def small_sam(sizes: SamConfig = SIZES) -> nn.Module:
    """A small SAM with random weights, position table included."""
    sam = build_sam(sizes)
    nn.init.normal_(sam.image_encoder.pos_embed, std=0.2)
    return sam
