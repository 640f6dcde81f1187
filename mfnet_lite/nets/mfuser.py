r"""MFuser: a vision model and a vision-language pair, frozen, with a co-adapter between them and text queries behind.

Zhang and Tan, "Mamba as a Bridge: Where Vision Foundation Models Meet Vision Language Models for Domain-Generalized
Semantic Segmentation", CVPR 2025, arXiv 2504.03193::

    image ─┬─ vision encoder   ─(+)─…─(+)─┐ taps ── pyramid ── pixel decoder ─┐
           │                    MVFusers  │                                   │
           └─ language encoder ─(+)─…─(+)─┤── visual embedding V              │
                                          │        │                          │
    words ── text encoder ── T ───────────┴── MTEnhancer ── T' ── queries ── masks of classes

What is trained: fusers, prompts, MTEnhancer, pyramid and decoder. Both image encoders and the text encoder stay as
they are. A query belongs to a class because it is made from the class's words, so nothing is matched.

The released decoder has learned positions and scores for exactly its 19 classes. By default nothing here is tied to a
class, and a class is called by another of its words in every step of training: other words can be asked for
afterwards (:meth:`MFuser.ask`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from mfnet_lite.language.class_words import phrases_of_classes
from mfnet_lite.losses.class_queries import RELEASED
from mfnet_lite.losses.text_queries import text_query_loss
from mfnet_lite.nets.config import TransformerConfig
from mfnet_lite.nets.decoders.feature_pyramid import FeaturePyramid
from mfnet_lite.nets.decoders.pixel_decoder import PixelDecoder
from mfnet_lite.nets.decoders.query_scores import scores_of_queries
from mfnet_lite.nets.decoders.text_query import QueryOutput, TextQueryDecoder
from mfnet_lite.nets.encoders.backbones import open_plain_vit
from mfnet_lite.nets.encoders.joint_encoder import Fusion, JointEncoder, Streams
from mfnet_lite.nets.encoders.open_vision_language import load_vision_language
from mfnet_lite.nets.encoders.plain_vit import plain_vit
from mfnet_lite.nets.encoders.vision_language import Classes, VisionLanguage
from mfnet_lite.nets.inputs import ToRGB, band_counts, check_sample
from mfnet_lite.nets.layers.mv_fuser import Direction
from mfnet_lite.nets.layers.padding import pad_to_multiple
from mfnet_lite.nets.layers.refined_text import RefinedText
from mfnet_lite.nets.layers.text_prompts import TextPrompts
from mfnet_lite.nets.layers.tuned_network import TunedNetwork
from mfnet_lite.nets.mfuser_variant import OFFICIAL, MFuserVariant

ENHANCER_HEADS = 4
PIXEL_FFN, QUERY_FFN = 4, 8
"""Width inside the transformations of pixel and mask decoder, as multiples of the width: those released."""


@dataclass(frozen=True)
class MFuserConfig(TransformerConfig):
    """Options of :class:`MFuser`, and the encoders that it is built on."""

    lr = 1e-3
    crop = 128
    jitter = 0.25
    recorded = ("backbone", "language", "streams", "fusion", "fusers", "direction", "enhancer")

    backbone: str = field(
        default="tiny",
        metadata={
            "help": "Frozen vision encoder: tiny, vit_b, vit_l, vit_h or a SAM checkpoint; timm:NAME@FILE such as "
            "DINOv2; timm:tf_efficientnet_lite0."
        },
    )
    language: str = field(
        default="tiny",
        metadata={"help": "Frozen vision-language pair: tiny, a file, or open_clip:NAME@FILE."},
    )
    streams: Streams = field(
        default="both", metadata={"help": "Image encoders that are run.", "computes": True}
    )
    fusion: Fusion = field(
        default="mvfuser", metadata={"help": "How their tokens are fused.", "computes": True}
    )
    fusers: int = field(
        default=0,
        metadata={"help": "Number of fusers, spread evenly; 0 for one after every block."},
    )
    direction: Direction = field(
        default="forward",
        metadata={"help": "Way of the fusers' scan along both encoders' tokens.", "computes": True},
    )
    enhancer: bool = field(
        default=True, metadata={"help": "Refine the words by the image (MTEnhancer)."}
    )
    prompts: int = field(
        default=4, metadata={"help": "Learned vectors before the words of every class."}
    )
    states: int = field(default=16, metadata={"help": "States of the scans.", "hidden": True})
    width: int = field(default=64, metadata={"help": "Channels of the decoder; 256 as released."})
    pixel_layers: int = field(
        default=1, metadata={"help": "Layers of the pixel decoder; 6 as released."}
    )
    decoder_layers: int = field(
        default=3, metadata={"help": "Layers of the mask decoder; 9 as released."}
    )
    heads: int = field(default=4, metadata={"help": "Heads; 8 as released.", "hidden": True})
    alignment: float = field(
        default=1.0, metadata={"help": "Weight of the pixel-text alignment in the loss."}
    )
    points: int = field(
        default=0,
        metadata={"help": "Points of a mask that are compared; 0 for all.", "hidden": True},
    )
    vary_words: bool = field(
        default=True,
        metadata={"help": "Call a class by another of its words in every training step."},
    )
    official: bool = field(
        default=False,
        metadata={
            "help": "The authors' code: closed vocabulary, and its quirks.",
            "computes": True,
        },
    )
    words: tuple[tuple[str, ...], ...] = field(
        default=(), metadata={"help": "Phrases of each class.", "hidden": True, "computes": True}
    )

    def __post_init__(self) -> None:
        """Check the options."""
        # a run's config.json has lists
        object.__setattr__(self, "words", phrases_of_classes(self.words))
        super().__post_init__()
        if self.prompts < 0 or self.points < 0 or not self.alignment >= 0:
            raise ValueError(
                "prompts, points and alignment must not be negative, got "
                f"{self.prompts}, {self.points} and {self.alignment}"
            )

    @property
    def variant(self) -> MFuserVariant:
        """What ``official`` stands for."""
        return OFFICIAL if self.official else MFuserVariant()

    def with_classes(self, classes: Sequence[str]) -> MFuserConfig:
        """Say every class in words, unless that has been done."""
        if self.words:
            return self
        return replace(self, words=phrases_of_classes(classes, everyday=True))

    def build(self, sensors: Mapping[str, int], num_classes: int) -> MFuser:
        """Build the network on the encoders that ``backbone`` and ``language`` name."""
        if len(self.words) != num_classes:
            raise ValueError(
                f"MFuser needs the words of its {num_classes} classes, got those of {len(self.words)}; give the names "
                "(build_model(…, classes=[…])) or words=[[…], …]"
            )
        return MFuser(
            open_plain_vit(self.backbone, "MFuser"),
            load_vision_language(self.language),
            self.words,
            sensors,
            **self.without("backbone", "language", "words"),
        )

    def crop_multiple(self, network: nn.Module) -> int:
        """Crops are cut into patches of both encoders."""
        return cast(MFuser, network).encoder.patch


class MFuserOutput(NamedTuple):
    """What MFuser returns in training.

    Args:
        masks: For every decoder output the classes' presence (or, in the official form, scores of all classes) and
            mask logits.
        dense: The image in the space of texts; None where the pair's image encoder is not run.
        text: The refined classes.
    """

    masks: list[QueryOutput]
    dense: Float[Tensor, "batch joint rows columns"] | None
    text: Float[Tensor, "batch class joint"]


class MFuser(TunedNetwork):
    """Semantic segmentation by text queries on two frozen encoders.

    Args:
        vision: The vision foundation model: a Sam, a plain vision transformer of timm, or a
            :class:`~mfnet_lite.nets.encoders.plain_vit.PlainViT`.
        pair: The vision-language pair.
        classes: For each class its phrases, or its name.
        sensors: One sensor: its name, where ``optical`` has three bands; or its bands by name.
        streams: Which image encoders are run: ``"both"``, ``"vision"`` or ``"language"``.
        fusion: ``"mvfuser"``; ``"attention"``, its quadratic rival; or ``"none"``, where only maps are joined.
        fusers: Number of fusers, spread evenly, the last one after the last block; 0 for after every block.
        direction: Way of the fusers' scan; see :class:`~mfnet_lite.nets.layers.MVFuser`.
        enhancer: Refine the classes' embeddings by the image; without effect with ``streams="vision"``.
        prompts: Learned vectors that stand before the words of every class.
        states: States of the scans.
        width: Channels of the decoder, 256 as released.
        pixel_layers: Layers of the pixel decoder, 6 as released.
        decoder_layers: Layers of the mask decoder, 9 as released.
        heads: Heads of the decoder, 8 as released.
        alignment: Weight of the alignment of pixels and words in the loss.
        points: Points at which masks are compared, 0 for all pixels.
        vary_words: In training call a class by one of its phrases, drawn anew in every step; in evaluation it is
            their mean.
        official: The authors' code: a decoder for these classes alone, and the quirks of fusers, enhancer, and mean
            of the alignment loss.

    Shape:
        ``{sensor: (batch, bands, H, W)}`` → logits ``(batch, classes, H, W)``, any H and W: logarithms of scores. In
        training :class:`MFuserOutput`, for :meth:`loss`.

    Raises:
        ValueError: If there is more than one sensor, no class or a string for their list, or an option is unknown.
    """

    config: MFuserConfig
    encoder: JointEncoder

    def __init__(
        self,
        vision: nn.Module,
        pair: VisionLanguage,
        classes: Sequence[str] | Classes,
        sensors: Sequence[str] | Mapping[str, int] = ("optical",),
        streams: Streams = MFuserConfig.streams,
        fusion: Fusion = MFuserConfig.fusion,
        fusers: int = MFuserConfig.fusers,
        direction: Direction = MFuserConfig.direction,
        enhancer: bool = MFuserConfig.enhancer,
        prompts: int = MFuserConfig.prompts,
        states: int = MFuserConfig.states,
        width: int = MFuserConfig.width,
        pixel_layers: int = MFuserConfig.pixel_layers,
        decoder_layers: int = MFuserConfig.decoder_layers,
        heads: int = MFuserConfig.heads,
        alignment: float = MFuserConfig.alignment,
        points: int = MFuserConfig.points,
        vary_words: bool = MFuserConfig.vary_words,
        official: bool = MFuserConfig.official,
    ) -> None:
        super().__init__()
        words = phrases_of_classes(classes, everyday=True)
        self.config = MFuserConfig(
            streams=streams, fusion=fusion, fusers=fusers, direction=direction, enhancer=enhancer,
            prompts=prompts, states=states, width=width, pixel_layers=pixel_layers,
            decoder_layers=decoder_layers, heads=heads, alignment=alignment, points=points,
            vary_words=vary_words, official=official, words=words,
        )  # fmt: skip
        variant = self.config.variant
        self.sensors = band_counts(sensors)
        if len(self.sensors) != 1:
            raise ValueError(
                f"MFuser reads one sensor, got {', '.join(self.sensors)}; choose one, such as --sensors optical"
            )
        if not words:
            raise ValueError("expected the words of at least one class, got none")
        (bands,) = self.sensors.values()
        self.to_rgb = ToRGB(bands)
        released = variant.released_modules
        self.encoder = JointEncoder(
            plain_vit(vision), pair, streams, fusion, fusers, direction, states, released
        )
        self.prompts = self._new_prompts(prompts, words) if prompts else None
        self.refine = None
        if enhancer and streams != "vision":
            self.refine = RefinedText(
                pair.joint, None, width, ENHANCER_HEADS, states, official=released
            )
        reduced = None if variant.batch_norm else width
        self.pyramid = FeaturePyramid(self.encoder.channels, reduced, variant.batch_norm)
        closed = len(words) if variant.closed else None
        maps, ffn = self.pyramid.out_channels, PIXEL_FFN * width
        self.pixels = PixelDecoder(
            maps, pair.joint, width, pixel_layers, heads, ffn=ffn, classes=closed
        )
        self.queries = TextQueryDecoder(
            pair.joint, width, decoder_layers, heads, ffn=QUERY_FFN * width, classes=closed
        )
        self._asked: tuple[tuple[str, ...], ...] | None = None

    def _new_prompts(self, number: int, words: Classes) -> TextPrompts:
        """Make prompts as large as the vectors of the classes' words."""
        text = self.encoder.pair.text
        if self.config.variant.large_prompts:
            return TextPrompts(number, text.width)
        with torch.no_grad():
            tokens = text.tokens([phrase for phrases in words for phrase in phrases])
        return TextPrompts(number, text.width, words=tokens.vectors[tokens.there])

    @property
    def words(self) -> tuple[tuple[str, ...], ...]:
        """Phrases of each class that the network segments now."""
        return self.config.words if self._asked is None else self._asked

    def ask(self, classes: Sequence[str] | Classes | None) -> MFuser:
        """Segment other classes from now on, by their words alone; nothing is trained.

        Args:
            classes: For each class its phrases, or one phrase; None for the classes of the training.

        Returns:
            The network itself.

        Raises:
            ValueError: If a phrase says nothing to the text encoder, the network was built with ``official``, or
                ``classes`` is a string.
        """
        if classes is None:
            self._asked = None
            return self
        if self.config.variant.closed:
            raise ValueError(
                "this MFuser was built with official=True, whose decoder knows the classes of its training alone; "
                "train one without it to ask for others"
            )
        words = phrases_of_classes(classes)
        self.encoder.pair.classes(words)  # says what is wrong with them
        self._asked = words
        return self

    def forward(
        self, sample: Mapping[str, Float[Tensor, "batch bands height width"]]
    ) -> Float[Tensor, "batch class height width"] | MFuserOutput:
        """Segment a batch.

        Args:
            sample: The map of the sensor, floats in [0, 1].

        Returns:
            Logits at the size of the input; in training the outputs of all decoder layers.
        """
        sample, first = check_sample(sample, self.sensors, "MFuser", self)
        image = pad_to_multiple(self.to_rgb(first), self.encoder.patch)
        joint = self.encoder(image)
        embedded = self.encoder.visual(joint)
        prompts = None if self.prompts is None else self.prompts()
        words = self.encoder.pair.classes(self._spoken(), prompts)
        # directions have a length of at most 1: of unit mean square they are as large as what layers expect
        text = (words * words.shape[-1] ** 0.5).expand(len(image), -1, -1)
        if self.refine is not None and embedded is not None:
            text = self.refine(text, embedded.tokens)
        pixels = self.pixels(self.pyramid(joint.maps), text)
        outputs = self.queries(pixels.mask_features, pixels.levels, text)
        if self.training:
            return MFuserOutput(outputs, None if embedded is None else embedded.dense, text)
        found = outputs[-1]
        size = image.shape[-2:]
        masks = F.interpolate(found.mask_logits, size, mode="bilinear", align_corners=False)
        masks = masks[..., : first.shape[-2], : first.shape[-1]]
        return scores_of_queries(found.class_logits, masks)

    def loss(
        self,
        output: MFuserOutput,
        batch: Mapping[str, Int[Tensor, "batch height width"]],
        ignore_index: int = 255,
    ) -> Float[Tensor, ""]:
        """Sum the loss of every decoder output, and the alignment of pixels and words.

        Args:
            output: From :meth:`forward` in training.
            batch: With ``label``.
            ignore_index: Label of pixels without truth.
        """
        label = batch["label"]
        patch = self.encoder.patch
        margins = (0, -label.shape[-1] % patch, 0, -label.shape[-2] % patch)
        label = F.pad(label, margins, value=ignore_index)  # images were padded likewise
        pair, variant = self.encoder.pair, self.config.variant
        own: dict[str, Any] = {"form": "sigmoid", "scale": pair.scale, "shift": pair.shift}
        return text_query_loss(
            output.masks,
            label,
            output.dense,
            output.text,
            self.config.alignment,
            weights=RELEASED._replace(absent=variant.absent),
            ignore_index=ignore_index,
            points=self.config.points,
            over_all_pixels=variant.over_all_pixels,
            **(own if pair.form == "sigmoid" and not variant.softmax else {}),
        )

    def _spoken(self) -> Classes:
        """Return the phrases of each class for this pass: one of them in training, else all."""
        if not (self.training and self.config.vary_words):
            return self.words
        drawn = torch.rand(len(self.words)).tolist()
        return [
            (phrases[int(share * len(phrases))],)
            for phrases, share in zip(self.words, drawn, strict=True)
        ]

    def computation(self) -> dict[str, Any]:
        """Return what no tensor holds, for a delta's header."""
        return super().computation() | {"words": [list(phrases) for phrases in self.config.words]}
