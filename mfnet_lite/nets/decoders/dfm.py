"""The Deep Fusion Module: a pyramid for each sensor, and a gate that says how much of it to use.

Ma, Zhang, Pun, Huang, "A Unified Framework with Multimodal Fine-tuning for Remote Sensing Semantic
Segmentation" (MFNet), IEEE TGRS 2025, arXiv 2410.11160. A plain ViT leaves one map per sensor, all
at one stride; a decoder wants several. Per sensor m, from its map F (256 channels, stride 16)::

    level 1, stride  4   up b( GELU( norm( up a(F) ) ) )      up: transposed convolution k2 s2
    level 2, stride  8   up(F)
    level 3, stride 16   F
    level 4, stride 32   max-pool 2×2 of F

and per level one squeeze-and-excitation gate (Hu et al. 2018) per sensor, then the sum:
fused = Σ_m s_m ⊙ Y_m with s_m = σ(W2 relu(W1 mean(Y_m) + b1) + b2).

All private weights carry a leading sensor axis; nothing loops over sensors. Two facts save most of
the work, and change nothing but the order of the additions. (a) A transposed convolution with
kernel = stride = 2 never overlaps itself: it is one matrix per pixel, C → 4 C. (b) After the GELU
everything is linear: the gate needs only the *mean* of a linear map, which is the map of the mean;
then gate, transposed convolution, sum over the sensors, and the 1×1 convolution with which the
decoder starts are one matrix per sample, so that the large maps at stride 4 are never stored.

Names beside those of the authors' module (image x = sensor 0, DSM y = sensor 1)::

    ours                  shape                  theirs, stacked on a first axis (x, y)
    up1a.weight, .bias    (M, C, 2, 2, C) (M, C) fpn1x.0, fpn1y.0, weight "i o a b -> i a b o"
    norm.weight, .bias    (M, C)                 fpn1x.1.ln, fpn1y.1
    norm.running_mean/var (M-1, C), batch_norm   fpn1y.1.running_mean/var
    up1b                  as up1a                fpn1x.3, fpn1y.3
    up2                   as up1a                fpn2x.0, fpn2y.0
    fuse.L.squeeze[_bias] (M, C/16, C) (M, C/16) fusion{L+1}.se_rgb.fc.0, .se_depth.fc.0, no 1×1 axes
    fuse.L.excite[_bias]  (M, C, C/16) (M, C)    fusion{L+1}.se_rgb.fc.2, .se_depth.fc.2
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
import torch.nn.functional as F
from einops import einsum, rearrange, reduce
from jaxtyping import Bool, Float
from torch import Tensor, nn

from mfnet_lite.nets.layers.modality_mask import check, mask
from mfnet_lite.nets.layers.sensor_norm import SensorNorm


def _uniform(fan_in: int, *shape: int) -> nn.Parameter:
    """PyTorch's own start for convolutions: uniform within 1/√(fan in), for a stack of them."""
    bound = 1 / math.sqrt(fan_in)
    return nn.Parameter(torch.empty(shape).uniform_(-bound, bound))


class SensorUpsample(nn.Module):
    """A transposed convolution, kernel 2 and stride 2, with private weights for each sensor.

    Args:
        channels: Channels in and out.
        sensors: Number of sensors M.
    """

    def __init__(self, channels: int, sensors: int) -> None:
        super().__init__()
        self.weight = _uniform(4 * channels, sensors, channels, 2, 2, channels)
        self.bias = _uniform(4 * channels, sensors, channels)

    def _apply(self, fn: Callable[[Tensor], Tensor], *args: Any, **kwargs: Any) -> SensorUpsample:
        # net.to(memory_format=torch.channels_last), which is for tensors of four axes, fails on one of five
        return super()._apply(lambda x: fn(x.flatten(1)).view(x.shape), *args, **kwargs)

    def forward(
        self, tokens: Float[Tensor, "sensor batch pixel c"]
    ) -> Float[Tensor, "sensor batch pixel4 c"]:
        """Four pixels for each one, in the order upper left, upper right, lower left, lower right.

        Args:
            tokens: Pixels of each sensor, channels last.

        Returns:
            ``4 * pixel`` pixels; the four children of a pixel stand side by side.
        """
        # Kernel and stride are both 2: no two inputs share an output pixel, so the convolution is one product with a
        # matrix of four times as many columns, and the four children of a pixel only have to be renamed.
        matrix = rearrange(self.weight, "m c i j d -> m c (i j d)")
        bias = self.bias.repeat(1, 4).unsqueeze(1)
        x = torch.baddbmm(bias, rearrange(tokens, "m b p c -> m (b p) c"), matrix)
        return rearrange(x, "m (b p) (k d) -> m b (p k) d", b=tokens.shape[1], k=4)

    def mean(self, mean: Float[Tensor, "sensor batch c"]) -> Float[Tensor, "sensor batch c"]:
        """Mean over the pixels of the output, from the mean over the pixels of the input."""
        matrix = reduce(self.weight, "m c i j d -> m c d", "mean")
        return torch.baddbmm(self.bias.unsqueeze(1), mean, matrix)

    def fused(
        self,
        tokens: Float[Tensor, "sensor batch pixel c"],
        gate: Float[Tensor, "sensor batch c"],
        project: Float[Tensor, "d c"] | None,
    ) -> Float[Tensor, "batch pixel4 d"]:
        """``project @ Σ_m gate_m ⊙ upsample_m(tokens_m)`` without storing the upsampled maps.

        Args:
            tokens: Pixels of each sensor, channels last.
            gate: Factor of each output channel, per sensor and sample.
            project: Matrix that follows the sum; ``None`` is the identity.
        """
        # Upsampling, gating, the sum over sensors and the projection are all linear in the tokens. Multiplied with each
        # other first, as small matrices, they meet the many pixels once: M·c columns in, d out.
        if project is None:
            matrix = einsum(self.weight, gate, "m c i j d, m b d -> m b c i j d")
            shift = einsum(self.bias, gate, "m d, m b d -> b d")
        else:
            head = einsum(gate, project, "m b c, d c -> m c b d")
            matrix = einsum(self.weight, head, "m c i j o, m o b d -> m b c i j d")
            shift = einsum(self.bias, head, "m c, m c b d -> b d")
        matrix = rearrange(matrix, "m b c i j d -> b (m c) (i j d)")
        tokens = rearrange(tokens, "m b p c -> b p (m c)")
        x = torch.baddbmm(shift.repeat(1, 4).unsqueeze(1), tokens, matrix)
        return rearrange(x, "b p (k d) -> b (p k) d", k=4)


class SEFusion(nn.Module):
    r"""Squeeze-and-excitation gates of each sensor, and the gated sum.

    .. math:: \sum_m \sigma(W_{2m}\,\mathrm{relu}(W_{1m}\,\bar Y_m + b_{1m}) + b_{2m})
              \odot Y_m

    Hu, Shen, Sun, "Squeeze-and-Excitation Networks", CVPR 2018; one per sensor and level in MFNet.

    Args:
        channels: Channels of the maps.
        sensors: Number of sensors M.
        reduction: The gate's hidden width is ``channels // reduction``, at least 1.

    Example:
        >>> SEFusion(channels=32, sensors=2)(torch.zeros(2, 1, 32, 4, 4)).shape
        torch.Size([1, 32, 4, 4])
    """

    def __init__(self, channels: int, sensors: int, reduction: int = 16) -> None:
        super().__init__()
        hidden = max(1, channels // reduction)
        self.squeeze = _uniform(channels, sensors, hidden, channels)
        self.squeeze_bias = _uniform(channels, sensors, hidden)
        self.excite = _uniform(hidden, sensors, channels, hidden)
        self.excite_bias = _uniform(hidden, sensors, channels)

    def gate(self, mean: Float[Tensor, "sensor batch c"]) -> Float[Tensor, "sensor batch c"]:
        """The gates, each in (0, 1), from the maps' means over their pixels."""
        hidden = torch.baddbmm(self.squeeze_bias.unsqueeze(1), mean, self.squeeze.mT).relu()
        return torch.baddbmm(self.excite_bias.unsqueeze(1), hidden, self.excite.mT).sigmoid()

    def forward(self, maps: Float[Tensor, "sensor batch c h w"]) -> Float[Tensor, "batch c h w"]:
        """Gate each sensor's map and add them up."""
        gate = self.gate(reduce(maps, "m b c h w -> m b c", "mean"))
        return einsum(gate, maps, "m b c, m b c h w -> b c h w")


class DeepFusionModule(nn.Module):
    """Four fused maps (relative strides ¼, ½, 1, 2) from one map per sensor.

    Args:
        channels: Channels C of the encoder's maps.
        sensors: Number of sensors M ≥ 1.
        batch_norm: Normalise level 1 as the authors' code does, by channel layer norm for the first
            sensor and *batch* norm for the others, instead of layer norm for all.

    Shape:
        ``(M, B, C, h, w)`` → ``(B, C, 4h, 4w)``, ``(B, C, 2h, 2w)``, ``(B, C, h, w)``,
        ``(B, C, ⌈h/2⌉, ⌈w/2⌉)``.

    Example:
        >>> [tuple(x.shape) for x in DeepFusionModule(32, sensors=2)(torch.zeros(2, 1, 32, 4, 6))]
        [(1, 32, 16, 24), (1, 32, 8, 12), (1, 32, 4, 6), (1, 32, 2, 3)]
        >>> sum(p.numel() for p in DeepFusionModule(256, sensors=2).parameters())
        1643136
    """

    def __init__(self, channels: int, sensors: int, batch_norm: bool = False) -> None:
        super().__init__()
        if channels < 1 or sensors < 1:
            raise ValueError(f"channels and sensors must be at least 1, got {channels}, {sensors}")
        self.channels, self.sensors = channels, sensors
        self.up1a = SensorUpsample(channels, sensors)
        self.norm = SensorNorm(channels, sensors, batch_norm=batch_norm)
        self.up1b = SensorUpsample(channels, sensors)
        self.up2 = SensorUpsample(channels, sensors)
        self.fuse = nn.ModuleList(SEFusion(channels, sensors) for _ in range(4))

    def forward(
        self,
        features: Float[Tensor, "sensor batch c h w"],
        modality_mask: Bool[Tensor, "batch sensor"] | None = None,
        project: Sequence[Float[Tensor, "d c"]] | None = None,
    ) -> list[Float[Tensor, "batch d level_h level_w"]]:
        """Fuse.

        Args:
            features: The encoder's map of each sensor.
            modality_mask: Which sensors each sample has. Absent ones count exactly nothing, whatever
                stands in ``features``; the rest is scaled by M / (number present), so that the
                sum keeps its size.
            project: Four matrices, applied to the channels of the four maps (a decoder's first
                1×1 convolutions). The result is that of applying them afterwards, for less than
                half the arithmetic.

        Returns:
            The maps of levels 1 to 4, with C channels, or those of ``project``.

        Raises:
            ValueError: If the shapes do not fit, or a sample has no sensor at all.
        """
        check(features, modality_mask, self.channels, self.sensors)
        features, share = mask(features, modality_mask)
        h, w = features.shape[-2:]
        tokens = rearrange(features, "m b c h w -> m b (h w) c").contiguous()
        pooled = F.max_pool2d(features.flatten(0, 1), 2, ceil_mode=True)
        small = rearrange(pooled, "(m b) c h w -> m b (h w) c", m=self.sensors)
        fine = F.gelu(self.norm(self.up1a(tokens), modality_mask))

        # The gates need the means of maps that are never built: a mean passes through a linear layer, so that of an
        # upsampled map follows from that of its input.
        mean = tokens.mean(dim=2)
        means = [self.up1b.mean(fine.mean(dim=2)), self.up2.mean(mean), mean, small.mean(dim=2)]
        gates = [cast(SEFusion, fuse).gate(x) for fuse, x in zip(self.fuse, means, strict=True)]
        if share is not None:
            gates = [gate * share for gate in gates]
        heads = [None] * 4 if project is None else list(project)

        one = self.up1b.fused(fine, gates[0], heads[0])
        two = self.up2.fused(tokens, gates[1], heads[1])
        three = _gated_sum(tokens, gates[2], heads[2])
        four = _gated_sum(small, gates[3], heads[3])
        # Pixels were doubled in place, children beside each other; one transposition at the end puts them in order.
        quarter = "b (h w i j k l) d -> b d (h i k) (w j l)"
        return [
            rearrange(one, quarter, h=h, w=w, i=2, j=2, k=2, l=2),
            rearrange(two, "b (h w i j) d -> b d (h i) (w j)", h=h, w=w, i=2, j=2),
            rearrange(three, "b (h w) d -> b d h w", h=h),
            rearrange(four, "b (h w) d -> b d h w", h=pooled.shape[-2]),
        ]


class SumFusion(nn.Module):
    """The ablation without the module: the sensors' maps are added (over those present).

    Goes with a decoder without skips (``UNetFormerDecoder(..., skips=False)``), as in the authors'
    ablation.

    Example:
        >>> SumFusion()(torch.ones(2, 1, 8, 4, 4), torch.tensor([[True, False]])).unique()
        tensor([2.])
    """

    def forward(
        self,
        features: Float[Tensor, "sensor batch c h w"],
        modality_mask: Bool[Tensor, "batch sensor"] | None = None,
    ) -> Float[Tensor, "batch c h w"]:
        """Add up; absent sensors count nothing, the rest is scaled by M / (number present)."""
        check(features, modality_mask)
        features, share = mask(features, modality_mask)
        if share is None:
            return features.sum(dim=0)
        return (features * share[..., None, None]).sum(dim=0)


def _gated_sum(
    tokens: Float[Tensor, "sensor batch pixel c"],
    gate: Float[Tensor, "sensor batch c"],
    project: Float[Tensor, "d c"] | None,
) -> Float[Tensor, "batch pixel d"]:
    if project is None:
        return einsum(tokens, gate, "m b p c, m b c -> b p c")
    matrix = einsum(gate, project, "m b c, d c -> m b c d")
    return einsum(tokens, matrix, "m b p c, m b c d -> b p d")
