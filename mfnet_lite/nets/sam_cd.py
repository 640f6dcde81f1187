r"""SAM-CD: change detection on a frozen foundation model.

Ding, Zhu, Peng, Tang, Yang, Bruzzone, "Adapting Segment Anything Model for Change Detection in VHR Remote
Sensing Images", IEEE TGRS 2024, arXiv 2309.01429::

    before ─┐ frozen     ┌ adaptors ┐ U-shaped ┌ semantic head → latents l₁, l₂ ─┐
    after  ─┘ pyramid ──►└ 1×1 conv ┘ decoder ─┴──────────► fuse → residual stack ⊙ gate → change

Both dates go through the same weights, stacked on the batch. The semantic head has no labels: a loss
(:func:`mfnet_lite.losses.temporal_similarity`) asks only that unchanged places mean the same on
both dates.

Names beside the authors' (``official=True`` computes the same)::

    ours                  theirs                ours             theirs
    adapt.0 … adapt.3     Adapter4, 8, 16, 32   stack.0 … 5      resCD.0 … 5
    decode.0, 1, 2        Dec2, Dec1, Dec0      reduce           headC
    semantic              segmenter             gate             SA.SA
    change                segmenterC
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from mfnet_lite.nets.config import TransformerConfig
from mfnet_lite.nets.encoders.pyramids import Pyramid
from mfnet_lite.nets.inputs import check_map, in_format_of
from mfnet_lite.nets.layers.conv import conv_norm_relu

GATED = 16
"""Channels that the latents gate."""


@dataclass(frozen=True)
class SAMCDVariant:
    """Where the authors' code departs from the default, as parameters of network and loss.

    Attributes:
        concatenate: Dates are concatenated, whatever ``symmetric`` says.
        all_levels: The heads read all three decoded maps, as the paper says, and not the last alone.
        softmax: The gate reads the softmax of the latents, as the paper says, and not the logits.
        momentum: Of the gate's batch norm.
        per_unchanged: The temporal constraint is the mean over unchanged pixels, as the paper says, and
            not over all.
    """

    concatenate: bool = False
    all_levels: bool = True
    softmax: bool = True
    momentum: float = 0.1
    per_unchanged: bool = True


OFFICIAL = SAMCDVariant(
    concatenate=True, all_levels=False, softmax=False, momentum=0.95, per_unchanged=False
)
"""The authors' code; ``official=True`` stands for it."""


@dataclass(frozen=True)
class SAMCDConfig(TransformerConfig):
    """Options of :class:`SAMCD`; a subclass adds those of encoder and loss, which make it a system."""

    semantic: bool = field(default=True, metadata={"help": "Semantic branch."})
    adaptor: bool = field(default=True, metadata={"help": "Adaptors."})
    symmetric: bool = field(
        default=True,
        metadata={"help": "Whether swapping the dates changes nothing.", "computes": True},
    )
    official: bool = field(
        default=False,
        metadata={"help": "The authors' code to the last number.", "computes": True},
    )
    latent: int = field(default=8, metadata={"help": "Channels of the semantic branch."})
    fine: int = field(default=64, metadata={"help": "Channels of the finest decoded map."})

    def __post_init__(self) -> None:
        """Check the options."""
        super().__post_init__()
        if self.latent < 1 or self.fine < 1:
            raise ValueError(
                f"latent and fine must be at least 1, got {self.latent} and {self.fine}"
            )

    @property
    def variant(self) -> SAMCDVariant:
        """What ``official`` stands for."""
        return OFFICIAL if self.official else SAMCDVariant()


class ChangeOutput(NamedTuple):
    """What SAM-CD returns, all at the size of the images.

    Args:
        change: Logits of "changed", (batch, 1, height, width).
        before: Latent logits of the first date, (batch, latent, height, width).
        after: Those of the second.
    """

    change: Float[Tensor, "batch 1 height width"]
    before: Float[Tensor, "batch latent height width"]
    after: Float[Tensor, "batch latent height width"]


class DecoderStep(nn.Module):
    """Enlarge a coarse map, put the finer one beside it, and mix them by two convolutions.

    Args:
        coarse: Channels of the coarse map.
        fine: Channels of the finer map.
        outputs: Channels of the result.
    """

    def __init__(self, coarse: int, fine: int, outputs: int) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(coarse, coarse, 2, stride=2)
        self.mix = nn.Sequential(
            *conv_norm_relu(coarse + fine, outputs, 3), *conv_norm_relu(outputs, outputs, 3)
        )

    def forward(
        self, coarse: Float[Tensor, "batch c h w"], fine: Float[Tensor, "batch f h2 w2"]
    ) -> Float[Tensor, "batch out h2 w2"]:
        """Return the mixed map at the finer size."""
        out: Tensor = self.mix(torch.cat([self.up(coarse), fine], dim=1))
        return out


class ResidualBlock(nn.Module):
    """Two 3×3 convolutions with batch norm beside an identity.

    Args:
        channels: Channels in and out.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)

    def forward(self, x: Float[Tensor, "batch c h w"]) -> Float[Tensor, "batch c h w"]:
        """Apply the block."""
        y = F.relu(self.bn1(self.conv1(x)))
        return F.relu(x + self.bn2(self.conv2(y)))


class SAMCD(nn.Module):
    """Change detection with a frozen pyramid encoder and a class-free semantic branch.

    Args:
        encoder: A frozen pyramid, see :mod:`mfnet_lite.nets.encoders.pyramids`.
        latent: Channels k of the semantic branch; 8 by the authors' experience.
        semantic: False drops the semantic branch and with it the gate (the ablation).
        adaptor: False replaces the adaptors by nothing (the ablation): the decoder reads the encoder.
        symmetric: Swapping the dates changes nothing: what is fused is the sum and the absolute
            difference of both dates. False concatenates them, as the authors do.
        official: The authors' code, see :class:`SAMCDVariant`: dates concatenated, heads read the last
            decoder map alone (the paper concatenates all three), the gate reads raw latents (the paper:
            their softmax) through a batch norm of momentum 0.95. Implies ``symmetric=False``.
        fine: Channels of the finest decoded map; half as many cost a quarter in the residual stack.

    Shape:
        Two (batch, 3, H, W), sides multiples of 32 → :class:`ChangeOutput`.

    Example:
        >>> from mfnet_lite.nets.encoders.pyramids import SamPyramid
        >>> from mfnet_lite.sam import SamConfig, build_sam
        >>> sizes = SamConfig(image_size=64, patch_size=8, width=16, depth=4, heads=2, window=4)
        >>> net = SAMCD(SamPyramid(build_sam(sizes))).eval()
        >>> before, after = torch.rand(2, 1, 3, 64, 64)
        >>> [tuple(map.shape) for map in net(before, after)]
        [(1, 1, 64, 64), (1, 8, 64, 64), (1, 8, 64, 64)]
        >>> torch.allclose(net(before, after).change, net(after, before).change, atol=1e-5)
        True
    """

    def __init__(
        self,
        encoder: Pyramid,
        latent: int = SAMCDConfig.latent,
        semantic: bool = SAMCDConfig.semantic,
        adaptor: bool = SAMCDConfig.adaptor,
        symmetric: bool = SAMCDConfig.symmetric,
        official: bool = SAMCDConfig.official,
        fine: int = SAMCDConfig.fine,
    ) -> None:
        super().__init__()
        config = SAMCDConfig(semantic, adaptor, symmetric, official, latent, fine)
        self.variant = config.variant
        self.symmetric = symmetric and not self.variant.concatenate
        self.config = replace(config, symmetric=self.symmetric)
        self.encoder = encoder.requires_grad_(False)
        given = encoder.channels
        widths = tuple(max(1, c // 4) for c in given) if adaptor else given
        self.adapt = nn.ModuleList(
            conv_norm_relu(c, w, 1) if adaptor else nn.Identity()
            for c, w in zip(given, widths, strict=True)
        )
        steps = (max(8, widths[3] // 2), max(8, widths[3] // 4), fine)
        self.decode = nn.ModuleList(
            DecoderStep(coarse, finer, out)
            for coarse, finer, out in zip(
                (widths[3], *steps[:2]), (widths[2], widths[1], widths[0]), steps, strict=True
            )
        )
        self.collect = (
            conv_norm_relu(sum(steps), fine, 1) if self.variant.all_levels else nn.Identity()
        )
        self.semantic = nn.Conv2d(fine, latent, 1) if semantic else None
        self.stack = nn.Sequential(*(ResidualBlock(2 * fine) for _ in range(6)))
        self.reduce = conv_norm_relu(2 * fine, GATED, 1)
        self.gate = nn.Sequential(
            nn.Conv2d(2 * latent, 4, 1),
            nn.BatchNorm2d(4, momentum=self.variant.momentum),
            nn.ReLU(inplace=True),
            nn.Conv2d(4, GATED, 1),
            nn.Sigmoid(),
        )
        if not semantic:
            self.gate = nn.Sequential()
        self.change = nn.Conv2d(GATED, 1, 1)
        self._start()

    def forward(
        self,
        before: Float[Tensor, "batch 3 height width"],
        after: Float[Tensor, "batch 3 height width"],
    ) -> ChangeOutput:
        """Compare two dates.

        Args:
            before: RGB of the first date, in [0, 1].
            after: RGB of the second, same shape.

        Returns:
            Change logits, and latents of both dates (empty maps of 0 channels without the semantic
            branch).

        Raises:
            ValueError: If a date is no batch of RGB images in floats, or the dates differ in shape.
        """
        for name, x in (("before", before), ("after", after)):
            check_map(name, x, 3)
        if before.shape != after.shape:
            raise ValueError(
                f"both dates must have one shape, got {tuple(before.shape)} and {tuple(after.shape)}"
            )
        size = before.shape[2:]
        maps = self.encoder(in_format_of(self, torch.cat([before, after])))
        fine = self.decoded([adapt(x) for adapt, x in zip(self.adapt, maps, strict=True)])
        pair = self._pair(fine)
        reduced = self.reduce(self.stack(pair))
        if self.semantic is None:
            latents = fine.new_zeros(len(fine), 0, *fine.shape[2:])
        else:
            latents = self.semantic(fine)
            read = latents.softmax(dim=1) if self.variant.softmax else latents
            reduced = reduced * self.gate(self._pair(read))
        change = self.change(reduced)
        one, two = latents.chunk(2)
        return ChangeOutput(*(_enlarge(x, size) for x in (change, one, two)))

    def computation(self) -> dict[str, Any]:
        """Return how both dates meet and whose code it is, for a delta's header."""
        return self.config.computing()

    def decoded(
        self, maps: list[Float[Tensor, "dates c h w"]]
    ) -> Float[Tensor, "dates fine height4 width4"]:
        """Decode the adapted pyramid of both dates to one map at stride 4."""
        x, all_maps = maps[3], []
        for step, fine in zip(self.decode, reversed(maps[:3]), strict=True):
            x = step(x, fine)
            all_maps.append(x)
        if not self.variant.all_levels:
            return x
        size = x.shape[2:]
        beside = [F.interpolate(m, size=size, mode="bilinear") for m in all_maps[:2]]
        out: Tensor = self.collect(torch.cat([*beside, x], dim=1))
        return out

    def _pair(self, x: Float[Tensor, "dates c h w"]) -> Float[Tensor, "batch c2 h w"]:
        """Put both dates side by side: concatenated, or as sum and absolute difference."""
        one, two = x.chunk(2)
        if self.symmetric:
            return torch.cat([one + two, (one - two).abs()], dim=1)
        return rearrange([one, two], "date b c h w -> b (date c) h w")

    def _start(self) -> None:
        """Kaiming-normal convolutions and zero biases everywhere but in the gate, as the authors."""
        skipped = set(self.gate.modules()) | set(self.encoder.modules())
        for module in self.modules():
            if isinstance(module, nn.Conv2d) and module not in skipped:
                nn.init.kaiming_normal_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)


def _enlarge(x: Float[Tensor, "batch c h w"], size: torch.Size) -> Tensor:
    """Bring a map to the size of the images (the authors align corners)."""
    if x.shape[1] == 0:
        return x.new_zeros(len(x), 0, *size)
    return F.interpolate(x, size=size, mode="bilinear", align_corners=True)
