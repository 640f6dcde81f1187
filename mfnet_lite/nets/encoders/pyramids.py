"""Frozen encoders that give maps at four strides: one small interface, several networks behind it.

SAM-CD (Ding et al. 2024) reads a pyramid from FastSAM. What it needs of an encoder is little: maps at
strides 4, 8, 16 and 32, no gradient, no training mode. Anything that offers this is a
:class:`Pyramid`: SAM's own encoder (:class:`SamPyramid`), any convolutional network of timm
(:class:`TimmPyramid`), FastSAM itself (:class:`~mfnet_lite.nets.encoders.fastsam.FastSamPyramid`).
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import torch
from einops import rearrange
from jaxtyping import Float
from segment_anything.modeling import Sam
from torch import Tensor, nn
from torch.nn import functional as F

from mfnet_lite.nets.encoders.multimodal_sam import MultimodalEncoder
from mfnet_lite.nets.encoders.timm_network import STRIDES, open_timm
from mfnet_lite.nets.encoders.timm_weights import input_statistics


class Pyramid(nn.Module):
    """A frozen encoder with four maps; subclasses set :attr:`channels` and write :meth:`features`.

    Attributes:
        channels: Channels of the maps at strides 4, 8, 16 and 32.
    """

    channels: tuple[int, int, int, int]
    mean: Tensor
    std: Tensor

    def train(self, mode: bool = True) -> Pyramid:
        """Stay in evaluation mode: running statistics of a frozen network must not move."""
        del mode
        return super().train(False)

    @torch.no_grad()
    def forward(
        self, images: Float[Tensor, "batch 3 height width"]
    ) -> list[Float[Tensor, "batch channels level_height level_width"]]:
        """Return the maps, finest first, without gradients.

        Args:
            images: RGB in [0, 1]; sides must be multiples of 32.
        """
        if images.ndim != 4 or images.shape[1] != 3:
            raise ValueError(f"expected (batch, 3, height, width), got {tuple(images.shape)}")
        height, width = images.shape[2:]
        if height % STRIDES[-1] or width % STRIDES[-1]:
            raise ValueError(f"sides must be multiples of {STRIDES[-1]}, got {height} × {width}")
        return self.features(images)

    @abstractmethod
    def features(self, images: Float[Tensor, "batch 3 height width"]) -> list[Tensor]:
        """Compute the four maps."""


class SamPyramid(Pyramid):
    """SAM's image encoder as a pyramid: tokens of four depths, brought to four strides.

    A plain ViT has one stride. As in the simple feature pyramid of Li et al. 2022 (arXiv 2203.16527) the
    levels come from its one grid, but nothing is trained: shallow tokens, which still know where
    things are, are enlarged for the fine levels, deep ones are averaged for the coarse.

    Args:
        sam: The model; its image encoder is frozen.

    Example:
        >>> from mfnet_lite.sam import SamConfig, build_sam
        >>> sizes = SamConfig(image_size=64, patch_size=8, width=16, depth=4, heads=2, window=4)
        >>> pyramid = SamPyramid(build_sam(sizes))
        >>> [tuple(level.shape[1:]) for level in pyramid(torch.rand(1, 3, 64, 64))]
        [(16, 16, 16), (16, 8, 8), (16, 4, 4), (256, 2, 2)]
    """

    def __init__(self, sam: Sam) -> None:
        super().__init__()
        # With one sensor and nothing added this is the official encoder, window padding saved.
        self.encoder = MultimodalEncoder(sam.image_encoder, sensors=1, tuning="none")
        self.register_buffer("mean", sam.pixel_mean / 255, persistent=False)
        self.register_buffer("std", sam.pixel_std / 255, persistent=False)
        depth = len(sam.image_encoder.blocks)
        self.depths = tuple(max(0, round(depth * part) - 1) for part in (0.25, 0.5, 0.75))
        width = sam.image_encoder.patch_embed.proj.out_channels
        self.channels = (width, width, width, sam.image_encoder.neck[0].out_channels)
        self.eval()

    def features(self, images: Float[Tensor, "batch 3 height width"]) -> list[Tensor]:
        """Return shallow tokens enlarged, deep ones averaged, and the neck's map at the coarsest."""
        normal = (images - self.mean) / self.std
        tokens, last = self.encoder.depths(normal[None], self.depths)
        maps = [rearrange(x, "1 b h w c -> b c h w") for x in tokens]
        maps.append(last[0])
        sizes = [(images.shape[2] // s, images.shape[3] // s) for s in STRIDES]
        return [_resize(x, size) for x, size in zip(maps, sizes, strict=True)]


class TimmPyramid(Pyramid):
    """Any convolutional network of timm with maps at strides 4, 8, 16 and 32.

    Args:
        name: Such as ``"resnet18"``, or ``"resnet18@FILE"`` with a file of its weights.
        pretrained: Load weights (needs the package ``timm``): those that come as a package
            (:mod:`~mfnet_lite.nets.encoders.packaged_weights`), else those that timm fetches. Those of a file
            are loaded in any case.
        **options: Further arguments of ``timm.create_model``.

    Raises:
        ImportError: If timm is not installed.
        FileNotFoundError: If the weights are not on this machine and are not timm's to fetch.
        ConnectionError: If timm cannot fetch them.
        ValueError: If timm cannot build the network, the weights are those of another, or it has no maps at
            these strides.
    """

    def __init__(self, name: str, pretrained: bool = False, **options: Any) -> None:
        super().__init__()
        wanted = pretrained or "@" in name
        net, self.levels, self.channels = open_timm(name, wanted, "TimmPyramid", **options)
        for key, value in zip(("mean", "std"), input_statistics(net), strict=True):
            self.register_buffer(key, value, persistent=False)
        self.net = net.requires_grad_(False)
        self.eval()

    def features(self, images: Float[Tensor, "batch 3 height width"]) -> list[Tensor]:
        """Return four of the network's maps."""
        maps = self.net((images - self.mean) / self.std)
        return [maps[level] for level in self.levels]


def _resize(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Enlarge bilinearly, or average whole cells."""
    if x.shape[-2] > size[0]:
        return F.adaptive_avg_pool2d(x, size)
    return F.interpolate(x, size=size, mode="bilinear", align_corners=False)
