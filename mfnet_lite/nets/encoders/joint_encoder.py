r"""Two frozen image encoders side by side, whose tokens read each other between the blocks.

Zhang and Tan, "Mamba as a Bridge", CVPR 2025, arXiv 2504.03193::

    vision    ── block ──(+)── block ──(+)── …       taps: both encoders' maps, joined along the channels
                          │ fuser       │ fuser
    language  ── block ──(+)── block ──(+)── …

The authors' encoders have 24 blocks each and a fuser after every one. Here any two will do: with other numbers of
blocks the longer one runs several blocks between two fusers, with other widths the vision tokens are projected into
the language encoder's width and back, with other grids its maps are resized to the language encoder's.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Literal, NamedTuple, get_args

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from mfnet_lite.nets.encoders.plain_vit import Grid, PlainViT, spread
from mfnet_lite.nets.encoders.vision_language import VisionLanguage
from mfnet_lite.nets.layers.attention_fusion import AttentionFusion
from mfnet_lite.nets.layers.mv_fuser import Direction, MVFuser

Fusion = Literal["mvfuser", "attention", "none"]
Streams = Literal["both", "vision", "language"]

TAPS = (1 / 3, 1 / 2, 2 / 3, 1.0)
"""Where maps are taken, as shares of the depth; of 24 blocks after the 8th, 12th, 16th and 24th, as released."""

Tokens = Float[Tensor, "batch prefix_and_patches width"]
Map = Float[Tensor, "batch channel height width"]


class Joint(NamedTuple):
    """What the encoders make of an image.

    Args:
        maps: At each tap the encoders' maps, joined along the channels on the finest of their grids.
        tokens: Each encoder's last tokens, the vision encoder first.
        grids: Rows and columns of patches of each.
    """

    maps: list[Map]
    tokens: list[Tokens]
    grids: list[Grid]


class Embedded(NamedTuple):
    """An image in the space of texts.

    Args:
        tokens: The whole image, then its patches.
        dense: The patches as a map.
    """

    tokens: Float[Tensor, "batch one_and_patches joint"]
    dense: Float[Tensor, "batch joint rows columns"]


class Fuser(nn.Module):
    """Join two encoders' tokens, let them read each other, and add what came out to both.

    Args:
        vision: Width of the vision tokens.
        language: Width of the language encoder's.
        fusion: ``"mvfuser"`` or ``"attention"``.
        direction: Of an MVFuser's scan.
        states: Of an MVFuser.
        official: The authors' form of an MVFuser.
    """

    def __init__(
        self,
        vision: int,
        language: int,
        fusion: Fusion,
        direction: Direction = "forward",
        states: int = 16,
        official: bool = False,
    ) -> None:
        super().__init__()
        self.enter: nn.Module | None = None
        self.leave: nn.Module | None = None
        if vision != language:
            self.enter = nn.Linear(vision, language)
            self.leave = nn.Linear(language, vision, bias=False)  # what is nothing stays nothing
        self.fuse: nn.Module = (
            MVFuser(language, states, direction=direction, official=official)
            if fusion == "mvfuser"
            else AttentionFusion(language)
        )

    def forward(self, vision: Tokens, language: Tokens) -> tuple[Tokens, Tokens]:
        """Fuse.

        Args:
            vision: The vision encoder's tokens; they stand first.
            language: The language encoder's.
        """
        first = vision if self.enter is None else self.enter(vision)
        joint = self.fuse(torch.cat([first, language], dim=1))
        for_vision, for_language = joint.split([vision.shape[1], language.shape[1]], dim=1)
        if self.leave is not None:
            for_vision = self.leave(for_vision)
        return vision + for_vision, language + for_language


class JointEncoder(nn.Module):
    """Run two frozen image encoders in step and fuse them.

    Args:
        vision: The vision foundation model.
        pair: A vision-language pair, whose image encoder is the other one.
        streams: Which of the two are run: ``"both"``, ``"vision"`` or ``"language"``. Text is there in any case.
        fusion: How tokens are fused, ``"none"`` for not at all: then only the maps are joined.
        fusers: How often, spread evenly, the last one after the last block; 0 for after every block.
        direction: Of an MVFuser's scan.
        states: Of an MVFuser.
        official: The authors' form of an MVFuser.

    Attributes:
        channels: Channels of the maps at each tap.

    Raises:
        ValueError: If an option is unknown, or there are more fusers than blocks.
    """

    def __init__(
        self,
        vision: PlainViT,
        pair: VisionLanguage,
        streams: Streams = "both",
        fusion: Fusion = "mvfuser",
        fusers: int = 0,
        direction: Direction = "forward",
        states: int = 16,
        official: bool = False,
    ) -> None:
        super().__init__()
        for name, value, known in (("fusion", fusion, Fusion), ("streams", streams, Streams)):
            if value not in get_args(known):
                raise ValueError(
                    f"unknown {name} {value!r}; available: {', '.join(get_args(known))}"
                )
        self.vision = vision if streams != "language" else None
        self.pair, self.streams = pair, streams
        there = self._there()
        self.steps = min(encoder.depth for encoder in there)
        self.taps = [round(share * self.steps) or 1 for share in TAPS]
        self.channels = tuple(
            sum(e.width_after(self._last(e, tap)) for e in there) for tap in self.taps
        )
        self.fusers = nn.ModuleDict()
        self.to_language: nn.Linear | None = None
        if self.vision is None or streams == "vision":
            return
        seen, read = (e.width_after(e.depth - 1) for e in there)
        self.to_language = nn.Linear(seen, read)
        nn.init.zeros_(self.to_language.weight)  # V starts as the pair's own embedding
        nn.init.zeros_(self.to_language.bias)
        if fusion == "none":
            return
        if not 0 <= fusers <= self.steps:
            raise ValueError(
                f"expected 0 to {self.steps} fusers for {self.steps} blocks, got {fusers}"
            )
        for start in spread(fusers, self.steps):
            # `spread` begins at the first block; mirrored, it ends with the last
            step = self.steps - start
            seen, read = (e.width_after(self._last(e, step)) for e in there)
            self.fusers[str(step)] = Fuser(seen, read, fusion, direction, states, official)

    def _there(self) -> list[PlainViT]:
        """Return the image encoders that are run, the vision encoder first."""
        found = [] if self.vision is None else [self.vision]
        return found if self.streams == "vision" else [*found, self.pair.image]

    def _last(self, encoder: PlainViT, step: int) -> int:
        """Number of the last block that an encoder has run after a step, from 0."""
        return round(step * encoder.depth / self.steps) - 1

    @property
    def patch(self) -> int:
        """What sides of images must be multiples of."""
        return math.lcm(*(encoder.patch for encoder in self._there()))

    def added_parameters(self) -> Iterator[tuple[str, nn.Parameter]]:
        """Yield name and parameter of what is trained."""
        for name, parameter in self.named_parameters():
            if name.startswith(("fusers.", "to_language.")):
                yield name, parameter

    def forward(self, image: Float[Tensor, "batch 3 height width"]) -> Joint:
        """Encode a batch of images.

        Args:
            image: Values in [0, 1]; each encoder gets them normalised as it wants. Sides are multiples of
                :attr:`patch`.
        """
        there = self._there()
        with torch.set_grad_enabled(torch.is_grad_enabled() and bool(self.fusers)):
            inputs = [(image - encoder.mean) / encoder.std for encoder in there]
            grids = [e.grid(x) for e, x in zip(there, inputs, strict=True)]
            tokens = [e.embed(x) for e, x in zip(there, inputs, strict=True)]
            maps: dict[int, Map] = {}
            for step in range(1, self.steps + 1):
                for index, encoder in enumerate(there):
                    first, last = self._last(encoder, step - 1) + 1, self._last(encoder, step)
                    for number in range(first, last + 1):
                        tokens[index] = encoder.block(number, tokens[index], grids[index])
                        grids[index] = encoder.grid_after(number, grids[index])
                if str(step) in self.fusers:
                    tokens = list(self.fusers[str(step)](*tokens))
                if step in self.taps:
                    maps[step] = _joined(
                        [
                            as_map(t, encoder.prefix, grid)
                            for t, encoder, grid in zip(tokens, there, grids, strict=True)
                        ]
                    )
        return Joint([maps[tap] for tap in self.taps], tokens, grids)

    def visual(self, joint: Joint) -> Embedded | None:
        """Embed image and patches in the space of the pair's texts, what the vision encoder saw included.

        Args:
            joint: From :meth:`forward`.

        Returns:
            None if the pair's image encoder is not run.
        """
        if self.streams == "vision":
            return None
        language, grid = joint.tokens[-1], joint.grids[-1]
        if self.to_language is not None:
            assert self.vision is not None
            seen = self.to_language(joint.tokens[0])
            patches = as_map(seen, self.vision.prefix, joint.grids[0])
            if joint.grids[0] != grid:
                patches = F.interpolate(patches, grid, mode="bilinear", align_corners=False)
            patches = rearrange(patches, "b c h w -> b (h w) c")
            # the image as a whole: the vision encoder's class token where it has one, else the mean of its patches
            whole = seen[:, :1] if self.vision.prefix else patches.mean(dim=1, keepdim=True)
            prefix = self.pair.image.prefix
            before = F.pad(whole, (0, 0, 0, prefix - 1)) if prefix else whole[:, :0]
            language = language + torch.cat([before, patches], dim=1)
        embedded = self.pair.visual(language, grid)
        dense = rearrange(embedded[:, 1:], "b (h w) c -> b c h w", h=grid[0])
        return Embedded(embedded, dense)


def as_map(tokens: Tokens, prefix: int, grid: Grid) -> Map:
    """Lay patches out as a map.

    Args:
        tokens: With the prefix in front.
        prefix: How many tokens that is.
        grid: Rows and columns.
    """
    return rearrange(tokens[:, prefix:], "b (h w) c -> b c h w", h=grid[0], w=grid[1])


def _joined(maps: list[Map]) -> Map:
    """Join maps along the channels on the finest of their grids."""
    finest = max((m.shape[-2:] for m in maps), key=lambda size: size[0] * size[1])
    return torch.cat(
        [
            m
            if m.shape[-2:] == finest
            else F.interpolate(m, finest, mode="bilinear", align_corners=False)
            for m in maps
        ],
        dim=1,
    )
