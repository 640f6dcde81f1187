"""EarthGPT's visual enhanced perception: layers of a transformer and scales of a network, then one projection.

::

    image ─┬─ vision transformer, frozen: tokens after chosen blocks ──┐ concatenated
           │                                                           ├─ over channels ── linear ── visual tokens
           └─ convolutional network, frozen: maps at several scales ───┘

The transformer sees the whole, the network fine structure (Zhang et al. 2024, arXiv 2401.16822, section on visual
enhanced perception). Coarser maps are resized to the finest as in the paper; how both branches come to one grid is open
there: here all are averaged to the grid of tokens. What is frozen depends on the image alone, so it is computed once
for each image and can be kept; only the projection trains.

Tokens after different blocks and maps of different scales differ in size by a factor of ten, and some channels stay far
from zero for every image. One linear layer could undo that, but would learn slowly; so each part of a token is
normalised before it, without weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from mfnet_lite.nets.encoders.plain_vit import Grid, Images, PlainViT, check_blocks
from mfnet_lite.nets.encoders.timm_network import open_timm
from mfnet_lite.nets.inputs import in_format_of

SCALES = (0, 1, 2)
"""Maps at strides 4, 8 and 16."""


class ScalesNetwork(nn.Module):
    """A frozen convolutional network of timm whose maps are brought to its finest one.

    Args:
        name: Network of timm, such as ``"tf_efficientnet_lite0"``, whose weights come as a package.
        pretrained: Whether weights are loaded.
        scales: Which of the maps at strides 4, 8, 16 and 32.

    Attributes:
        widths: Channels of each chosen map.
        channels: Channels of all of them together.

    Raises:
        ImportError: If timm is not installed.
        FileNotFoundError: If the weights are not here.
        ValueError: If there is no such network or scale.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        name: str = "tf_efficientnet_lite0",
        pretrained: bool = True,
        scales: Sequence[int] = SCALES,
    ) -> None:
        super().__init__()
        if not scales or any(not 0 <= scale <= 3 for scale in scales):
            raise ValueError(
                f"scales must be numbers from 0 (stride 4) to 3 (stride 32), got {tuple(scales)}"
            )
        found = open_timm(name, pretrained, "the convolutional branch of visual perception")
        self.net = found.net.requires_grad_(False)
        self.levels = tuple(found.levels[scale] for scale in sorted(scales))
        self.widths = tuple(found.channels[scale] for scale in sorted(scales))
        self.channels = sum(self.widths)
        inner: Any = found.net
        config = getattr(inner, "pretrained_cfg", None) or {}
        for key, default in (("mean", (0.485, 0.456, 0.406)), ("std", (0.229, 0.224, 0.225))):
            value = torch.as_tensor(config.get(key, default), dtype=torch.float32)
            self.register_buffer(key, value.reshape(3, 1, 1), persistent=False)
        self.eval()

    def train(self, mode: bool = True) -> ScalesNetwork:
        """Stay in evaluation mode: running statistics of a frozen network do not move."""
        del mode
        return super().train(False)

    def forward(self, images: Images) -> Float[Tensor, "batch channels fine_height fine_width"]:
        """Run the network on images in [0, 1]; coarser maps are enlarged to the finest and concatenated."""
        maps = self.net((images - self.mean) / self.std)
        chosen = [maps[level] for level in self.levels]
        size = chosen[0].shape[-2:]
        enlarged = [
            F.interpolate(each, size, mode="bilinear", align_corners=False) for each in chosen[1:]
        ]
        return torch.cat([chosen[0], *enlarged], dim=1)


class VisualPerception(nn.Module):
    """Images to visual tokens as wide as those of a language model.

    Args:
        vit: A frozen plain vision transformer; None for the convolutional branch alone.
        scales: A frozen convolutional network; None for the transformer alone.
        width: Channels of the visual tokens.
        taps: Blocks of the transformer whose tokens are taken, from 0; by default three, spread to the last.
        grid: Rows and columns of visual tokens; None for those of the transformer's patches.
        seed: Of the projection's weights; None draws from torch's own generator.
        normalise: Whether each part of a frozen token is brought to mean 0 and variance 1 before the projection.

    Attributes:
        widths: Channels of each part of a frozen token: blocks of the transformer, then scales of the network.
        channels: Channels of a frozen token, before the projection.
        projection: The only part that trains.

    Raises:
        ValueError: If both branches or the grid without a transformer are missing, or a block does not exist.

    Example:
        >>> from mfnet_lite.nets.encoders.plain_vit import SamViT
        >>> from mfnet_lite.sam import SamConfig, build_sam
        >>> sam = build_sam(SamConfig(image_size=64, width=16, depth=3, heads=2, global_blocks=(1,)))
        >>> perception = VisualPerception(SamViT(sam), None, width=24, grid=(2, 2))
        >>> perception(torch.rand(5, 3, 64, 64)).shape, perception.channels
        (torch.Size([5, 4, 24]), 48)
    """

    def __init__(
        self,
        vit: PlainViT | None,
        scales: ScalesNetwork | None,
        width: int,
        taps: Sequence[int] | None = None,
        grid: Grid | None = None,
        seed: int | None = 0,
        normalise: bool = True,
    ) -> None:
        super().__init__()
        if vit is None and (scales is None or grid is None):
            raise ValueError(
                "without a vision transformer visual perception needs a convolutional network and a grid of tokens"
            )
        self.vit, self.scales, self.grid, self.normalise = vit, scales, grid, normalise
        self.taps = (
            ()
            if vit is None
            else check_blocks(spread_taps(vit.depth) if taps is None else taps, vit.depth)
        )
        if vit is not None and not self.taps:
            raise ValueError(
                "expected at least one block of the vision transformer, got none; give vit=None instead"
            )
        blocks = [vit.width_after(number) for number in self.taps] if vit is not None else []
        self.widths = (*blocks, *(() if scales is None else scales.widths))
        self.channels = sum(self.widths)
        for frozen in (vit, scales):
            if frozen is not None:
                frozen.requires_grad_(False)
        with torch.random.fork_rng(devices=[], enabled=seed is not None):
            if seed is not None:
                torch.manual_seed(seed)
            self.projection = nn.Linear(self.channels, width)

    def token_count(self, height: int, width: int) -> int:
        """Return how many visual tokens an image of this size becomes.

        Args:
            height: Of the image, pixels; a multiple of the patch size.
            width: Likewise.
        """
        rows, columns = self._grid(height, width)
        return rows * columns

    @torch.no_grad()
    def frozen_features(self, images: Images) -> Float[Tensor, "batch token channels"]:
        """Compute all that does not train, for keeping: it depends on the image alone.

        Args:
            images: In [0, 1], in any number format; sides are multiples of the transformer's patch.

        Returns:
            Tokens of the grid, row by row: the transformer's chosen blocks in order, then the network's scales.
        """
        grid = self._grid(*images.shape[-2:])
        parts = []
        if self.vit is not None:
            patches, own = self.vit.grid(images), in_format_of(self.vit, images)
            tokens = self.vit.embed((own - self.vit.mean) / self.vit.std)
            for number in range(max(self.taps) + 1):
                tokens = self.vit.block(number, tokens, patches)
                if number in self.taps:
                    rows, columns = self.vit.grid_after(number, patches)
                    seen = tokens[:, self.vit.prefix :]
                    parts.append(rearrange(seen, "b (h w) c -> b c h w", h=rows, w=columns))
        if self.scales is not None:
            parts.append(self.scales(in_format_of(self.scales, images)))
        pooled = [
            each if each.shape[-2:] == grid else F.adaptive_avg_pool2d(each, grid) for each in parts
        ]
        return rearrange(torch.cat(pooled, dim=1), "b c h w -> b (h w) c")

    def project(
        self, features: Float[Tensor, "batch token channels"]
    ) -> Float[Tensor, "batch token width"]:
        """Turn frozen features into visual tokens.

        Args:
            features: From :meth:`frozen_features`, in any number format.
        """
        parts = features.to(self.projection.weight.dtype).split(self.widths, dim=-1)
        if self.normalise:
            parts = tuple(F.layer_norm(part, part.shape[-1:]) for part in parts)
        tokens: Tensor = self.projection(torch.cat(parts, dim=-1))
        return tokens

    def forward(self, images: Images) -> Float[Tensor, "batch token width"]:
        """Turn images in [0, 1] into visual tokens."""
        return self.project(self.frozen_features(images))

    def _grid(self, height: int, width: int) -> Grid:
        if self.grid is not None:
            return self.grid
        assert self.vit is not None
        return height // self.vit.patch, width // self.vit.patch


def spread_taps(depth: int, count: int = 3) -> tuple[int, ...]:
    """Spread blocks evenly over a transformer, the last one included.

    Args:
        depth: Number of blocks.
        count: How many at most.

    Example:
        >>> spread_taps(6), spread_taps(12), spread_taps(2)
        ((1, 3, 5), (3, 7, 11), (0, 1))
    """
    count = min(count, depth)
    return tuple((number + 1) * depth // count - 1 for number in range(count))
