r"""GoPT: a frozen RGB network that other sensors steer by grouping prompts, and a light head.

He, "Prompting Multi-Modal Image Segmentation with Semantic Grouping", AAAI 2024, 38(3):2094-2102,
doi 10.1609/aaai.v38i3.27981::

    optical ──→ frozen ViT, prompted between its blocks ──→ head ──→ logits
    dsm, … ──→ grouping prompters ──┘

The abstract, notes of readers and comparison tables are public; code is not. What is reconstructed is said at the
place: the assignment's formulas (:mod:`mfnet_lite.tuning.grouping.assignment`), the bottleneck
(:mod:`~mfnet_lite.tuning.grouping.uni_modal`), what is shared (:mod:`~mfnet_lite.tuning.grouping.cross_modal`),
the stages (:mod:`~mfnet_lite.tuning.grouping.prompter`), the way of the auxiliary tokens
(:mod:`mfnet_lite.nets.encoders.prompted_vit`), and here the head. The paper trains 0.97 M of 112.6 M weights
(0.86 %), as later papers' tables have it; whether the head is among them is not public either.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, cast

import torch
from einops import rearrange
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F

from mfnet_lite.nets.config import TransformerConfig
from mfnet_lite.nets.decoders.progressive import ProgressiveHead
from mfnet_lite.nets.encoders.backbones import open_plain_vit
from mfnet_lite.nets.encoders.plain_vit import plain_vit, spread
from mfnet_lite.nets.encoders.prompted_vit import Auxiliary, PromptedViT
from mfnet_lite.nets.inputs import ToRGB, band_counts, check_sample
from mfnet_lite.nets.layers.modality_mask import check_none_is_empty, drop_modalities
from mfnet_lite.nets.layers.padding import pad_to_multiple
from mfnet_lite.nets.layers.tuned_network import TunedNetwork
from mfnet_lite.tuning.grouping.cross_modal import Query
from mfnet_lite.tuning.grouping.prompter import Prompt, PromptHierarchy
from mfnet_lite.tuning.multimodal.stacked import check_modality_mask

Head = Literal["pup", "linear"]

BOTTLENECK = 24
"""Channels of the prompters if nobody says."""


@dataclass(frozen=True)
class GoPTConfig(TransformerConfig):
    """Options of :class:`GoPT`, and the SAM that it is built on."""

    lr = 3e-3
    crop = 128
    jitter = 0.25
    recorded = ("backbone", "prompters", "bottleneck", "hard", "query", "auxiliary", "head")
    takes_missing_sensors = True

    backbone: str = field(
        default="tiny",
        metadata={
            "help": "Frozen SAM: tiny, vit_b, vit_l, vit_h or a checkpoint file; or timm:NAME@FILE, "
            "a plain vision transformer such as DINOv2's or CLIP's."
        },
    )
    prompters: int = field(
        default=0,
        metadata={"help": "Number of prompters, spread evenly; 0 for one before every block."},
    )
    groups: int = field(default=0, metadata={"help": "Number of groups; 0 for one per class."})
    blocks: tuple[int, ...] = field(
        default=(),
        metadata={"help": "Blocks to prompt, from 0, instead of an even spread.", "hidden": True},
    )
    stages: tuple[int, ...] = field(
        default=(),
        metadata={"help": "Groups of each stage, such as (64, 32, 6).", "hidden": True},
    )
    bottleneck: int | None = field(
        default=None,
        metadata={"help": "Channels in which the prompters work; 24 if absent."},
    )
    hard: bool = field(
        default=True,
        metadata={"help": "Give each patch to one group as a whole.", "computes": True},
    )
    tau: float = field(default=1.0, metadata={"help": "Temperature of the assignment."})
    eps: float = field(
        default=1.0,
        metadata={"help": "Added to the number of patches of a group.", "computes": True},
    )
    query: Query = field(
        default="both",
        metadata={"help": "Who asks the groups: rgb tokens, or both streams' tokens of a place."},
    )
    auxiliary: Auxiliary = field(
        default="frozen",
        metadata={
            "help": "Other sensors pass the frozen blocks, or are embedded once: frozen, embed."
        },
    )
    share_cross: bool = field(
        default=False, metadata={"help": "One cross-modal prompter for all depths."}
    )
    head: Head = field(
        default="pup", metadata={"help": "Decoder: pup enlarges step by step, linear at once."}
    )
    head_width: int = field(default=64, metadata={"help": "Channels of the pup decoder."})
    checkpointing: bool = field(
        default=False, metadata={"help": "Less memory in training for a third more computing."}
    )
    sensor_dropout: float = field(
        default=0.0,
        metadata={"help": "Probability that a sample is trained without one of its sensors."},
    )

    def __post_init__(self) -> None:
        """Check the options."""
        for name in ("blocks", "stages"):  # a run's config.json has lists
            object.__setattr__(self, name, tuple(getattr(self, name)))
        super().__post_init__()
        if not 0 <= self.sensor_dropout <= 1:
            raise ValueError(f"sensor_dropout is a probability, 0 to 1, got {self.sensor_dropout}")
        if self.blocks and self.prompters not in (0, len(self.blocks)):
            raise ValueError(
                f"prompters={self.prompters} and blocks={self.blocks} do not agree; give one of them"
            )

    def build(self, sensors: Mapping[str, int], num_classes: int) -> GoPT:
        """Build the network on the vision transformer that ``backbone`` names."""
        vit = open_plain_vit(self.backbone, "GoPT")
        return GoPT(vit, num_classes, sensors, **self.without("backbone"))

    def crop_multiple(self, network: nn.Module) -> int:
        """Crops are cut into patches."""
        return cast(GoPT, network).encoder.vit.patch


class GoPT(TunedNetwork):
    """Semantic segmentation on a frozen RGB network, prompted by the groups of other sensors.

    Args:
        sam: The foundation model: a Sam, a plain vision transformer of timm, or a
            :class:`~mfnet_lite.nets.encoders.plain_vit.PlainViT`. Of a Sam only the image encoder is kept.
        num_classes: Number of classes.
        sensors: Names, where ``optical`` has three bands and any other sensor one; or bands by name. The
            first one goes through the frozen network, the others prompt it; without others the network is
            the frozen one with a head.
        prompters: Number of prompters, spread evenly over the blocks; 0 for one before every block.
        groups: Number of groups of each sensor; 0 for one per class.
        bottleneck: Channels in which the prompters work; None for 24, which keeps twelve prompters of a
            ViT-B below 1 % of its weights.
        hard: Give each patch to one group as a whole.
        tau: Temperature of the assignment.
        eps: Added to the number of patches of a group.
        query: Who asks the groups: ``"rgb"`` tokens, as readers' notes have it, or ``"both"`` streams' tokens of
            a place, our extension, without which a sensor cannot say where it saw something.
        auxiliary: Other sensors pass the ``"frozen"`` blocks, or are embedded once: ``"embed"``.
        share_cross: One cross-modal prompter for all depths.
        head: Decoder: ``"pup"`` enlarges step by step, ``"linear"`` at once.
        head_width: Channels of the ``"pup"`` decoder.
        checkpointing: Trade a third more computing in training for the memory of the blocks.
        sensor_dropout: Probability that a sample is trained without one of its sensors, drawn at random.
        blocks: Numbers of the blocks to prompt, instead of an even spread.
        stages: Number of groups of each stage instead of ``groups``, such as (64, 32, 6).

    Shape:
        ``{sensor: (batch, bands, H, W)}`` → ``(batch, num_classes, H, W)``, any H and W.

    Before training the prompts are zero: the features are, bit for bit, those of the frozen network.

    Raises:
        ValueError: If a band count is wrong, a sensor's name occurs twice or cannot be one, an option is
            unknown, or ``sam`` is something else.

    Example:
        >>> from mfnet_lite.sam import SamConfig, build_sam
        >>> sizes = SamConfig(image_size=64, width=16, depth=2, heads=2, global_blocks=(1,))
        >>> net = GoPT(build_sam(sizes), num_classes=6, bottleneck=4).eval()
        >>> net({"optical": torch.rand(1, 3, 64, 80), "dsm": torch.rand(1, 1, 64, 80)}).shape
        torch.Size([1, 6, 64, 80])
        >>> net({"optical": torch.rand(1, 3, 64, 80)}).shape  # without the DSM
        torch.Size([1, 6, 64, 80])
    """

    config: GoPTConfig

    def __init__(
        self,
        sam: nn.Module,
        num_classes: int,
        sensors: Sequence[str] | Mapping[str, int] = ("optical", "dsm"),
        prompters: int = GoPTConfig.prompters,
        groups: int = GoPTConfig.groups,
        bottleneck: int | None = GoPTConfig.bottleneck,
        hard: bool = GoPTConfig.hard,
        tau: float = GoPTConfig.tau,
        eps: float = GoPTConfig.eps,
        query: Query = GoPTConfig.query,
        auxiliary: Auxiliary = GoPTConfig.auxiliary,
        share_cross: bool = GoPTConfig.share_cross,
        head: Head = GoPTConfig.head,
        head_width: int = GoPTConfig.head_width,
        checkpointing: bool = GoPTConfig.checkpointing,
        sensor_dropout: float = GoPTConfig.sensor_dropout,
        blocks: Sequence[int] = GoPTConfig.blocks,
        stages: Sequence[int] = GoPTConfig.stages,
    ) -> None:
        super().__init__()
        self.config = config = GoPTConfig(
            prompters=prompters,
            groups=groups,
            bottleneck=bottleneck,
            hard=hard,
            tau=tau,
            eps=eps,
            query=query,
            auxiliary=auxiliary,
            share_cross=share_cross,
            head=head,
            head_width=head_width,
            checkpointing=checkpointing,
            sensor_dropout=sensor_dropout,
            blocks=tuple(blocks),
            stages=tuple(stages),
        )
        self.sensors = band_counts(sensors)
        if num_classes < 1:
            raise ValueError(f"num_classes must be at least 1, got {num_classes}")
        vit = plain_vit(sam)
        places = config.blocks or spread(config.prompters, vit.depth)
        prompts = None
        if len(self.sensors) > 1:
            prompts = PromptHierarchy(
                vit.width,
                len(self.sensors) - 1,
                len(places),
                config.stages or (config.groups or num_classes,),
                BOTTLENECK if config.bottleneck is None else config.bottleneck,
                config.hard,
                config.tau,
                config.eps,
                config.query,
                config.auxiliary == "embed",
                config.share_cross,
            )
        self.to_rgb = nn.ModuleDict({name: ToRGB(b) for name, b in self.sensors.items()})
        self.encoder = PromptedViT(vit, prompts, places, config.auxiliary, config.checkpointing)
        self.head: nn.Module = (
            ProgressiveHead(vit.channels, num_classes, config.head_width, vit.patch)
            if config.head == "pup"
            else nn.Conv2d(vit.channels, num_classes, 1)
        )

    def forward(
        self,
        sample: Mapping[str, Float[Tensor, "batch bands height width"]],
        modality_mask: Bool[Tensor, "batch sensor"] | None = None,
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, "batch classes height width"]:
        """Segment a batch.

        Args:
            sample: A map per sensor, floats in [0, 1]. Entries that are no sensor of this network are
                not read; a sensor that is not there counts as missing.
            modality_mask: Which sensors each sample has, in the order of :attr:`sensors`. Whatever stands
                in the maps of missing ones has no influence, not even NaN.
            generator: Source of the assignments' noise in training; None for torch's own of the device.
                Without effect in ``eval`` mode, which has no noise.

        Returns:
            Logits at the size of the input.

        Raises:
            ValueError: If no sensor is there, or shapes or number formats do not fit.
        """
        rgb, others, here, (height, width) = self._images(sample, modality_mask)
        features = self.encoder(rgb, others, here, generator)
        logits = F.interpolate(
            self.head(features), size=rgb.shape[-2:], mode="bilinear", align_corners=False
        )
        return logits[..., :height, :width]

    @torch.no_grad()
    def groups(
        self,
        sample: Mapping[str, Float[Tensor, "batch bands height width"]],
        modality_mask: Bool[Tensor, "batch sensor"] | None = None,
    ) -> dict[str, list[Float[Tensor, "batch group patch_rows patch_columns"]]]:
        """Show to which group every patch belongs at every depth.

        Args:
            sample: As for :meth:`forward`.
            modality_mask: As for :meth:`forward`.

        Returns:
            For each auxiliary sensor that is there the shares of the groups on the grid of patches, one map
            per prompter.
        """
        rgb, others, here, _ = self._images(sample, modality_mask)
        prompts: list[Prompt] = self.encoder.depths(rgb, others, here)[0]
        rows = self.encoder.vit.grid(rgb)[0]
        names = list(self.sensors)[1:]
        return {
            names[number]: [
                rearrange(p.assignments[index], "b k (h w) -> b k h w", h=rows) for p in prompts
            ]
            for index, number in enumerate(sorted(others))
        }

    def _images(
        self, sample: Mapping[str, Tensor], modality_mask: Tensor | None
    ) -> tuple[Tensor, dict[int, Tensor], dict[int, Tensor], tuple[int, int]]:
        """Check a sample; return the RGB image and those of the other sensors, normalised and padded.

        After them, for each sensor which samples have it, and the size before padding. The others are numbered
        from 0, and RGB is sensor -1.
        """
        sample, first = check_sample(sample, self.sensors, "GoPT", self, allow_empty=True)
        batch = len(first)
        there = torch.tensor([name in sample for name in self.sensors], device=first.device)
        mask = there.expand(batch, -1)
        if modality_mask is not None:
            check_modality_mask(modality_mask, len(self.sensors), batch)
            mask = mask & modality_mask.to(first.device)
        partial = modality_mask is not None
        if self.training and self.config.sensor_dropout:
            mask, partial = drop_modalities(mask, self.config.sensor_dropout), True
        if partial:
            check_none_is_empty(mask)
        images, present = {}, {}
        for number, (name, bands) in enumerate(self.sensors.items(), start=-1):
            here = mask[:, number + 1]
            if number >= 0 and (name not in sample or (partial and not here.any())):
                continue  # nobody has it: it is not run
            x = sample.get(name)
            if x is None:
                x = first.new_zeros(batch, bands, *first.shape[2:])
            shows = here[:, None, None, None]
            if partial:  # before a trained projection, whose gradient would be NaN
                x = torch.where(shows, x, 0.0)
                present[number] = here
            image = (self.to_rgb[name](x) - self.encoder.vit.mean) / self.encoder.vit.std
            if partial or name not in sample:  # a missing one is of the mean colour
                image = torch.where(shows, image, 0.0)
            images[number] = pad_to_multiple(image, self.encoder.vit.patch)
        return images.pop(-1), images, present, (first.shape[-2], first.shape[-1])
