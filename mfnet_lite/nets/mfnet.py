r"""MFNet: optical and elevation (or any sensors) through one frozen SAM, fused, decoded to classes.

Ma, Zhang, Pun, Huang, "A Unified Framework with Multimodal Fine-tuning for Remote Sensing Semantic
Segmentation", IEEE TGRS 2025, arXiv 2410.11160::

    optical ┐                                               ┌ ¼ ┐
    dsm     ┴ stack → SAM's encoder, frozen, + additions → DFM ½ 1 2 → UNetFormer decoder → logits

:class:`~mfnet_lite.nets.encoders.multimodal_sam.MultimodalEncoder` adapts, the
:class:`~mfnet_lite.nets.decoders.dfm.DeepFusionModule` fuses, the decoder decodes; this file puts them together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, cast

import torch
from jaxtyping import Bool, Float
from segment_anything.modeling import Sam
from torch import Tensor, nn

from mfnet_lite.nets.config import TransformerConfig
from mfnet_lite.nets.decoders.dfm import DeepFusionModule, SumFusion
from mfnet_lite.nets.decoders.unetformer_decoder import UNetFormerDecoder
from mfnet_lite.nets.encoders.multimodal_sam import MultimodalEncoder, Tuning
from mfnet_lite.nets.inputs import ToRGB, band_counts, check_sample
from mfnet_lite.nets.layers.modality_mask import drop_modalities
from mfnet_lite.nets.layers.padding import pad_to_multiple
from mfnet_lite.nets.layers.tuned_network import TunedNetwork
from mfnet_lite.sam import load_sam
from mfnet_lite.tuning.multimodal.stacked import check_modality_mask

Fusion = Literal["dfm", "sum"]


@dataclass(frozen=True)
class MFNetVariant:
    """Where the authors' code departs from the default, as parameters of the parts.

    Attributes:
        normalise: Take SAM's mean off the images and divide by its standard deviation.
        batch_norm: Of :class:`DeepFusionModule`: batch norm for all sensors but the first.
        zero_init: Of :class:`MultimodalEncoder`: adapters start with a zero update.
        alpha: Of :class:`MultimodalEncoder`: scaling of LoRA in the attention.
    """

    normalise: bool = True
    batch_norm: bool = False
    zero_init: bool = True
    alpha: float | None = None


OFFICIAL = MFNetVariant(normalise=False, batch_norm=True, zero_init=False, alpha=1.0)
"""The authors' code; ``official=True`` stands for it."""


@dataclass(frozen=True)
class MFNetConfig(TransformerConfig):
    """Options of :class:`MFNet`, and the SAM that it is built on."""

    lr = 2e-3
    # Half the side of the small backbone's own input: a quarter of the work, and still eight of its
    # attention windows.
    crop = 128
    recorded = ("backbone", "tuning", "fusion", "rank")
    takes_missing_sensors = True

    backbone: str = field(
        default="tiny", metadata={"help": "tiny, vit_b, vit_l, vit_h or a checkpoint file."}
    )
    tuning: Tuning = field(
        default="mmlora",
        metadata={"help": "What is trained in the encoder."},
    )
    fusion: Fusion = field(
        default="dfm", metadata={"help": "How sensors are fused.", "computes": True}
    )
    rank: int = field(default=4, metadata={"help": "Rank of LoRA."})
    bottleneck: int | None = field(
        default=None,
        metadata={"help": "Hidden width of the adapter kinds; a quarter of the block's if absent."},
    )
    official: bool = field(
        default=False,
        metadata={"help": "The authors' code to the last number.", "computes": True},
    )
    checkpointing: bool = field(
        default=False, metadata={"help": "Less memory for a third more computing."}
    )
    sensor_dropout: float = field(
        default=0.0,
        metadata={
            "help": "Probability that a sample is trained without one of its sensors. For data in "
            "which a sensor may be missing."
        },
    )

    def __post_init__(self) -> None:
        """Check the options."""
        super().__post_init__()
        if not 0 <= self.sensor_dropout <= 1:
            raise ValueError(f"sensor_dropout is a probability, 0 to 1, got {self.sensor_dropout}")

    @property
    def variant(self) -> MFNetVariant:
        """What ``official`` stands for."""
        return OFFICIAL if self.official else MFNetVariant()

    def build(self, sensors: Mapping[str, int], num_classes: int) -> MFNet:
        """Build the network on the SAM that ``backbone`` names."""
        return MFNet(load_sam(self.backbone), num_classes, sensors, **self.without("backbone"))

    def crop_multiple(self, network: nn.Module) -> int:
        """Crops are cut into patches."""
        return cast(MFNet, network).encoder.patch


class MFNet(TunedNetwork):
    """Semantic segmentation of any sensors on a frozen Segment Anything encoder.

    Args:
        sam: The foundation model; its image encoder is used as it is, the rest is not kept.
        num_classes: Number of classes.
        sensors: Names, where ``optical`` has three bands and any other sensor one; or bands by name.
        tuning: What is trained in the encoder, see :class:`MultimodalEncoder`.
        fusion: ``"dfm"``, or ``"sum"`` for the ablation without it.
        rank: Rank of the LoRA kinds.
        bottleneck: Hidden width of the adapter kinds; None for a quarter.
        official: The authors' code to the last number, see :class:`MFNetVariant`: no normalisation with
            SAM's mean and standard deviation, batch norm in the pyramids of all sensors but the first,
            their initial values and their scaling.
        checkpointing: Trade a third more computing in training for the memory of the encoder.
        sensor_dropout: Probability that a sample is trained without one of its sensors, drawn at random, so
            that the network learns to do without. Nothing is withheld where a sample has but one, or in
            ``eval`` mode.

    Shape:
        ``{sensor: (batch, bands, H, W)}`` → ``(batch, num_classes, H, W)``, any H and W.

    ``tuning.freeze`` keeps additions, fusion and decoder trained; ``tuning.detach`` takes the additions off,
    so that ``encoder.image_encoder``, which nothing ever changed, is run as SAM's encoder again.

    Raises:
        ValueError: If there is no sensor, a band count is wrong, a sensor's name occurs twice or cannot
            be one, an option is unknown, or ``sam`` is something else.

    Example:
        >>> from mfnet_lite.sam import SamConfig, build_sam
        >>> sizes = SamConfig(image_size=64, width=16, depth=2, heads=2, global_blocks=(1,))
        >>> net = MFNet(build_sam(sizes), num_classes=6).eval()
        >>> net({"optical": torch.rand(1, 3, 64, 80), "dsm": torch.rand(1, 1, 64, 80)}).shape
        torch.Size([1, 6, 64, 80])
        >>> net({"optical": torch.rand(1, 3, 64, 80)}).shape  # without the DSM
        torch.Size([1, 6, 64, 80])
    """

    config: MFNetConfig

    def __init__(
        self,
        sam: Sam,
        num_classes: int,
        sensors: Sequence[str] | Mapping[str, int] = ("optical", "dsm"),
        tuning: Tuning = MFNetConfig.tuning,
        fusion: Fusion = MFNetConfig.fusion,
        rank: int = MFNetConfig.rank,
        bottleneck: int | None = MFNetConfig.bottleneck,
        official: bool = MFNetConfig.official,
        checkpointing: bool = MFNetConfig.checkpointing,
        sensor_dropout: float = MFNetConfig.sensor_dropout,
    ) -> None:
        super().__init__()
        if not isinstance(sam, Sam):
            raise ValueError(
                f"expected a Sam, got an object of type {type(sam).__name__}; "
                "mfnet_lite.load_sam('tiny') gives one"
            )
        self.sensors = band_counts(sensors)
        if num_classes < 1:
            raise ValueError(f"num_classes must be at least 1, got {num_classes}")
        self.config = MFNetConfig(
            tuning=tuning,
            fusion=fusion,
            rank=rank,
            bottleneck=bottleneck,
            official=official,
            checkpointing=checkpointing,
            sensor_dropout=sensor_dropout,
        )
        variant = self.config.variant
        count = len(self.sensors)
        self.encoder = MultimodalEncoder(
            sam.image_encoder,
            count,
            tuning,
            rank,
            bottleneck,
            variant.alpha,
            variant.zero_init,
            checkpointing,
        )
        channels = sam.image_encoder.neck[0].out_channels
        self.pictures = nn.ModuleDict({name: ToRGB(b) for name, b in self.sensors.items()})
        self.fusion: DeepFusionModule | SumFusion = (
            DeepFusionModule(channels, count, variant.batch_norm)
            if fusion == "dfm"
            else SumFusion()
        )
        self.decoder = UNetFormerDecoder(channels, num_classes, skips=fusion == "dfm")
        # Images are in [0, 1] here; the official model works in [0, 255]. The constants belong to
        # SAM, are not trained, and so are not saved with what is.
        self.register_buffer("mean", sam.pixel_mean / 255, persistent=False)
        self.register_buffer("std", sam.pixel_std / 255, persistent=False)
        self.normalise = variant.normalise
        self.sensor_dropout = sensor_dropout

    def forward(
        self,
        sample: Mapping[str, Float[Tensor, "batch bands height width"]],
        modality_mask: Bool[Tensor, "batch sensor"] | None = None,
    ) -> Float[Tensor, "batch classes height width"]:
        """Segment a batch.

        Args:
            sample: A map per sensor, floats in [0, 1]. Entries that are no sensor of this network are
                not read; a sensor that is not there counts as missing.
            modality_mask: Which sensors each sample has, in the order of :attr:`sensors`. Whatever stands
                in the maps of missing ones has no influence, not even NaN.

        Returns:
            Logits at the size of the input.

        Raises:
            ValueError: If no sensor is there, or shapes or number formats do not fit.
        """
        stacked, modality_mask = self.stack(sample, modality_mask)
        height, width = stacked.shape[-2:]
        stacked = _pad(stacked, self.encoder.patch)
        features = self.encoder(stacked, modality_mask)
        size = (stacked.shape[-2], stacked.shape[-1])
        if isinstance(self.fusion, DeepFusionModule):
            # The decoder's first 1×1 convolutions are done within the fusion: see there.
            maps = self.fusion(features, modality_mask, self.decoder.project())
            logits: Tensor = self.decoder(maps, size, projected=True)
        else:
            logits = self.decoder(self.fusion(features, modality_mask), size)
        return logits[..., :height, :width]

    def stack(
        self,
        sample: Mapping[str, Float[Tensor, "batch bands height width"]],
        modality_mask: Bool[Tensor, "batch sensor"] | None = None,
    ) -> tuple[Float[Tensor, "sensor batch 3 height width"], Bool[Tensor, "batch sensor"] | None]:
        """Turn a sample into stacked, normalised images and the modality_mask of each.

        Args:
            sample: A map per sensor.
            modality_mask: Which sensors each sample has, or None for all that are in ``sample``.
        """
        sample, first = check_sample(sample, self.sensors, "MFNet", self)
        if modality_mask is not None:
            check_modality_mask(modality_mask, len(self.sensors), len(first))
            modality_mask = modality_mask.to(first.device)
        if any(name not in sample for name in self.sensors):
            there = torch.tensor([name in sample for name in self.sensors], device=first.device)
            modality_mask = (
                there.expand(len(first), -1) if modality_mask is None else modality_mask & there
            )
        if self.training and self.sensor_dropout:
            if modality_mask is None:
                modality_mask = torch.ones(
                    len(first), len(self.sensors), dtype=torch.bool, device=first.device
                )
            modality_mask = drop_modalities(modality_mask, self.sensor_dropout)
        maps = []
        for index, (name, bands) in enumerate(self.sensors.items()):
            x = sample.get(name)
            if x is None:
                x = first.new_zeros(len(first), bands, *first.shape[2:])
            elif modality_mask is not None:
                # before a trained projection, whose gradient would be NaN
                x = torch.where(modality_mask[:, index, None, None, None], x, 0.0)
            x = self.pictures[name](x)
            maps.append((x - self.mean) / self.std if self.normalise else x)
        return torch.stack(maps), modality_mask


def _pad(
    stacked: Float[Tensor, "sensor batch 3 height width"], patch: int
) -> Float[Tensor, "sensor batch 3 padded_height padded_width"]:
    """Mirror the images to whole patches."""
    flat = pad_to_multiple(stacked.flatten(0, 1), patch)
    return flat.unflatten(0, stacked.shape[:2])
