r"""SamLP: licence plates by a Segment Anything that is tuned by low-rank updates.

Ding et al., "SamLP: A Customized Segment Anything Model for License Plate Detection", arXiv 2401.06374.
The foundation model stays frozen. Query and value of every attention, in the image encoder *and* in the mask
decoder, get an update :math:`W x + B A x` of rank r with a factor of one. In this first step nothing is
prompted, and all three masks that SAM offers for an ambiguous prompt learn the same target,

.. math:: L = \tfrac13 \sum_{m=1}^{3} \mathrm{Dice}(s_m, y).

At prediction the mask counts whose IoU the model itself believes highest. The second step, which gives the
model its ear for prompts back, is :class:`~mfnet_lite.nets.samlp_prompts.PromptTuning`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, cast, get_args

import torch
from einops import rearrange
from jaxtyping import Bool, Float
from segment_anything.modeling import Sam
from torch import Tensor, nn
from torch.nn import functional as F

from mfnet_lite.losses.focal_dice import dice_loss, mask_iou
from mfnet_lite.losses.labelled import labelled
from mfnet_lite.losses.plate_dice import two_class_dice
from mfnet_lite.losses.precision import at_least_single
from mfnet_lite.nets.config import TransformerConfig
from mfnet_lite.nets.inputs import check_map, check_not_empty
from mfnet_lite.sam import embed_images, load_sam, predict_masks
from mfnet_lite.tuning import attach_lora, freeze

__all__ = ["PlateOutput", "SamLP", "SamLPConfig", "SamLPVariant"]

Tuning = Literal["lora", "encoder", "decoder"]

ENCODER = ("image_encoder.blocks.*.attn.qkv",)
DECODER = ("mask_decoder.transformer.*.q_proj", "mask_decoder.transformer.*.v_proj")
"""Where updates go: q and v of each block's fused layer, and of all attentions of the decoder."""


@dataclass(frozen=True)
class SamLPVariant:
    """Where the authors' code departs from the default, as parameters of the loss.

    Attributes:
        two_class: :func:`~mfnet_lite.losses.two_class_dice` over the batch, instead of the Dice of each
            mask's sigmoid.
        full_size: Masks are enlarged to the size of the label, whose padding does not count, instead of
            the label scaled to the low-resolution masks, with the padding as background.
    """

    two_class: bool = False
    full_size: bool = True


OFFICIAL = SamLPVariant(two_class=True, full_size=False)
"""The authors' code; ``official=True`` stands for it."""


@dataclass(frozen=True)
class SamLPConfig(TransformerConfig):
    """Options of :class:`SamLP`, and the SAM that it is built on."""

    crop = 256  # SamLP enlarges whatever it gets to its encoder's own input, as SAM does
    jitter = 0.25
    recorded = ("backbone", "rank")

    backbone: str = field(
        default="tiny", metadata={"help": "tiny, vit_b, vit_l, vit_h or a checkpoint file."}
    )
    rank: int = field(default=4, metadata={"help": "Rank of LoRA."})
    tuning: Tuning = field(default="lora", metadata={"help": "What is trained."})
    official: bool = field(
        default=False, metadata={"help": "The authors' code to the last number."}
    )
    iou_weight: float = field(
        default=0.0,
        metadata={"help": "Weight of a squared error between estimated and true IoU of each mask."},
    )
    image_size: int | None = field(
        default=None,
        metadata={
            "help": "Side of the square that the encoder reads; that of the backbone if absent."
        },
    )

    def __post_init__(self) -> None:
        """Check the options."""
        if self.tuning not in get_args(Tuning):  # MFNet has an option of this name, too
            raise ValueError(
                f"unknown tuning {self.tuning!r} of SamLP; available: {', '.join(get_args(Tuning))}"
            )
        super().__post_init__()
        if not self.iou_weight >= 0:
            raise ValueError(f"iou_weight must not be negative, got {self.iou_weight}")

    @property
    def variant(self) -> SamLPVariant:
        """What ``official`` stands for."""
        return OFFICIAL if self.official else SamLPVariant()

    def build(self, sensors: Mapping[str, int], num_classes: int) -> SamLP:
        """Build SamLP on the SAM that ``backbone`` names.

        Args:
            sensors: Must hold ``optical`` with three bands; others are not read.
            num_classes: Must be 2: elsewhere, plate.

        Raises:
            ValueError: If sensors or classes are others.
        """
        if sensors.get("optical") != 3 or num_classes != 2:
            raise ValueError(
                f"samlp finds one thing (2 classes) in optical images of 3 bands, got {dict(sensors)} "
                f"and {num_classes} classes; use a folder whose label is 0 elsewhere and 1 on plates"
            )
        sam = load_sam(self.backbone, self.image_size)
        return SamLP(sam, **self.without("backbone", "image_size"))

    def crop_multiple(self, network: nn.Module) -> int:
        """Crops are cut into patches."""
        return int(cast(SamLP, network).sam.image_encoder.patch_embed.proj.stride[0])


class PlateOutput(NamedTuple):
    """The masks that SAM offers for one prompt, or for none.

    Args:
        masks: Logits at a quarter of the encoder's stride, of the *padded* square input; in evaluation
            at the size of the image.
        iou: The model's own estimate of each mask's IoU.
    """

    masks: Float[Tensor, "batch candidates height width"]
    iou: Float[Tensor, "batch candidates"]


class SamLP(nn.Module):
    """A plate detector made of a SAM and low-rank updates; nothing is copied, all else stays frozen.

    Args:
        sam: The foundation model. It is changed in place; :func:`mfnet_lite.tuning.detach` makes it what
            it was, bit for bit.
        rank: Rank r of the updates (2 is the default of the authors' training, 4 of their test).
        tuning: ``"lora"``, in encoder and decoder; ``"encoder"``, there alone, which the authors also
            have; ``"decoder"``, no updates but every weight of the mask decoder, for comparison.
        official: Train as the authors' code does, see :class:`SamLPVariant`:
            :func:`~mfnet_lite.losses.two_class_dice` over the batch, at the resolution of the
            low-resolution masks, with the padding as background. Else: sigmoid Dice of each mask at the
            size of its label, padding and ignored pixels left out.
        iou_weight: Weight of a squared error between estimated and true IoU of each mask. The paper
            has no such term, and then nothing teaches the estimate by which the masks are ranked.
        seed: Seed of the updates; None draws from torch's own generator.

    Shape:
        ``{"optical": (batch, 3, H, W)}`` in [0, 1] → logits ``(batch, 2, H, W)``, any H and W. In training
        mode a :class:`PlateOutput`, for :meth:`loss`. An entry ``embedding`` saves the encoder's work.

    Example:
        >>> from mfnet_lite.sam import SamConfig, build_sam
        >>> sizes = SamConfig(image_size=64, width=16, depth=2, heads=2, global_blocks=(1,))
        >>> net = SamLP(build_sam(sizes, seed=0), rank=2).eval()
        >>> net({"optical": torch.rand(1, 3, 48, 80)}).shape
        torch.Size([1, 2, 48, 80])
        >>> sum(p.numel() for p in net.parameters() if p.requires_grad)  # 2 · (2 · 4 · 16 + 5888)
        12032
    """

    def __init__(
        self,
        sam: Sam,
        rank: int = SamLPConfig.rank,
        tuning: Tuning = SamLPConfig.tuning,
        official: bool = SamLPConfig.official,
        iou_weight: float = SamLPConfig.iou_weight,
        seed: int | None = None,
    ) -> None:
        super().__init__()
        self.config = SamLPConfig(
            rank=rank, tuning=tuning, official=official, iou_weight=iou_weight
        )
        self.sam = sam
        if tuning == "decoder":
            freeze(sam)
            sam.mask_decoder.requires_grad_(True)
            if not iou_weight:  # no loss reaches it
                sam.mask_decoder.iou_prediction_head.requires_grad_(False)
            # The single mask is not among the three that are trained.
            sam.mask_decoder.output_hypernetworks_mlps[0].requires_grad_(False)
        else:
            attach_lora(sam, ENCODER + DECODER * (tuning == "lora"), rank=rank, seed=seed)
        self.variant = self.config.variant
        self.tuning, self.iou_weight = tuning, iou_weight

    @property
    def side(self) -> int:
        """Side of the square that the encoder reads, pixels."""
        return int(self.sam.image_encoder.img_size)

    def forward(
        self, sample: Mapping[str, Float[Tensor, "batch bands height width"]]
    ) -> Float[Tensor, "batch 2 height width"] | PlateOutput:
        """Find plates without a prompt; entries other than ``optical`` and ``embedding`` are not read."""
        embedding = self.embed(sample)
        output = self.unprompted(embedding)
        if self.training:
            return output
        best = self.choose(self.full_size(output, sample["optical"].shape[-2:]))
        # The sigmoid of s is the softmax of (0, s): one logit, written as two classes.
        return torch.cat([torch.zeros_like(best), best], dim=1)

    def embed(
        self, sample: Mapping[str, Float[Tensor, "batch bands height width"]]
    ) -> Float[Tensor, "batch channels h w"]:
        """Run the encoder as SAM does: longest side to its input, its mean and deviation, padding.

        Args:
            sample: Holds ``optical``, RGB in [0, 1]. An ``embedding`` made earlier is taken as it is.

        Raises:
            ValueError: If there is no image, or none of three bands in floats.
        """
        image = sample.get("optical")
        if image is None or image.ndim != 4 or image.shape[1] != 3:
            found = "nothing" if image is None else tuple(image.shape)
            raise ValueError(
                f"expected optical of shape (batch, 3, height, width), found {found}: "
                "plates are looked for in RGB images"
            )
        check_map("optical", image, 3)
        check_not_empty("optical", image)
        if "embedding" in sample:
            return sample["embedding"]
        size = fitted(image.shape[-2:], self.side)
        if size != tuple(image.shape[-2:]):
            # no kernel of the CPU smooths half precision
            wide = F.interpolate(at_least_single(image), size, mode="bilinear", antialias=True)
            image = wide.to(image.dtype)
        return embed_images(self.sam, 255 * image)

    def unprompted(self, embedding: Float[Tensor, "batch channels h w"]) -> PlateOutput:
        """Decode without any prompt: no sparse token, the vector "no mask" everywhere.

        Args:
            embedding: From :meth:`embed`.
        """
        none = embedding.new_zeros(len(embedding), 1, 0, embedding.shape[1])
        found = predict_masks(self.sam, embedding, tokens=none)
        return PlateOutput(found.masks[:, 0], found.iou[:, 0])

    def full_size(self, output: PlateOutput, size: tuple[int, ...]) -> PlateOutput:
        """Bring masks to the size of the image as SAM does: enlarge, cut the padding off, resize.

        Args:
            output: Masks of the padded square.
            size: Height and width of the image.
        """
        masks = F.interpolate(output.masks, (self.side, self.side), mode="bilinear")
        height, width = fitted(size, self.side)
        masks = masks[..., :height, :width]
        if (height, width) != tuple(size):
            masks = F.interpolate(masks, tuple(size), mode="bilinear")
        return PlateOutput(masks, output.iou)

    @staticmethod
    def choose(output: PlateOutput) -> Float[Tensor, "batch 1 height width"]:
        """Return the mask that the model itself believes best."""
        best = rearrange(output.iou.argmax(dim=1), "b -> b 1 1 1")
        return torch.gather(output.masks, 1, best.expand(-1, 1, *output.masks.shape[-2:]))

    def loss(
        self, output: PlateOutput, batch: Mapping[str, Tensor], ignore_index: int = 255
    ) -> Float[Tensor, ""]:
        """Dice of all three masks with one target, mean over the images in which any pixel counts.

        With ``official=True`` the authors' sums over the batch, and the mean over all images in the error of the IoU.

        Args:
            output: What :meth:`forward` returned in training mode.
            batch: Holds ``label``: 0 elsewhere, 1 plate; negative ones do not count.
            ignore_index: Label of pixels that do not count.

        Returns:
            The loss, 0 if no pixel of the batch counts.

        Raises:
            ValueError: If there is another label.
        """
        label, known = labelled(batch["label"], 2, ignore_index)
        # An image of which nothing is known would be a perfect one: two empty masks, an IoU of 1.
        seen = None if self.variant.two_class else known.flatten(1).any(dim=1)
        valid = rearrange(known, "b h w -> b 1 h w")
        target = rearrange((label == 1).to(output.masks.dtype), "b h w -> b 1 h w")
        if self.variant.full_size:
            masks = self.full_size(output, label.shape[-2:]).masks
        else:
            masks = output.masks
            target, valid = (self._low(x, masks.shape[-2:]) for x in (target, valid))
        target, valid = target.expand_as(masks), valid.expand_as(masks)
        if self.variant.two_class:
            each = [
                two_class_dice(masks[:, m], target[:, m], valid[:, m])
                for m in range(masks.shape[1])
            ]
            total = torch.stack(each).mean()
        else:
            # A logit of -1e4 is a probability of 0: the pixel enters no sum and gets no gradient.
            total = mean_over(seen, dice_loss(torch.where(valid, masks, -1e4), target * valid))
        if self.iou_weight:
            error = iou_error(masks, output.iou, target * valid, valid, seen)
            total = total + self.iou_weight * error
        return total

    def _low(self, label: Tensor, size: tuple[int, ...]) -> Tensor:
        """Label of the padded square at the resolution of the masks, padding as (valid) background.

        Two steps, each a mean that is rounded to 0 or 1, as the authors do it. The nearest pixel would be the upper
        left of those that become one, and objects would lie up to half a low-resolution pixel too far right and down.
        """
        fill = 1.0 if label.dtype == torch.bool else 0.0
        scaled = rounded_means(label.float(), fitted(label.shape[-2:], self.side))
        height, width = scaled.shape[-2:]
        square = F.pad(scaled, (0, self.side - width, 0, self.side - height), value=fill)
        return rounded_means(square, tuple(size)).to(label.dtype)


def rounded_means(
    mask: Float[Tensor, "batch 1 height width"], size: tuple[int, ...]
) -> Float[Tensor, "batch 1 h w"]:
    """Scale a map of 0 and 1 by antialiased bilinear means and round them; objects keep their centre.

    Example:
        >>> mask = torch.tensor([0.0, 1, 1, 1, 1, 1, 0, 0]).expand(1, 1, 8, 8)
        >>> rounded_means(mask, (4, 4))[0, 0, 0]
        tensor([1., 1., 1., 0.])
    """
    means = F.interpolate(mask, size, mode="bilinear", antialias=True)
    return (means >= 0.5).to(mask.dtype)


def iou_error(
    masks: Float[Tensor, "batch candidates height width"],
    iou: Float[Tensor, "batch candidates"],
    target: Float[Tensor, "batch candidates height width"],
    valid: Tensor | None = None,
    seen: Bool[Tensor, " batch"] | None = None,
) -> Float[Tensor, ""]:
    """Mean squared error between the estimated IoU of masks and their true one, 0 if no image counts.

    Args:
        masks: Mask logits.
        iou: Estimates.
        target: True masks.
        valid: Pixels that count; all without.
        seen: Images that count; all without.
    """
    if valid is not None:
        masks = torch.where(valid, masks, -1.0)
    iou = at_least_single(iou)
    true = mask_iou(masks, target).to(iou.dtype)
    if seen is not None:
        iou, true = iou[seen], true[seen]
    return F.mse_loss(iou, true) if len(iou) else iou.sum()


def mean_over(
    seen: Bool[Tensor, " batch"] | None, each: Float[Tensor, "batch ..."]
) -> Float[Tensor, ""]:
    """Mean over the images that count; 0, with a gradient of zeros, if none does.

    Args:
        seen: Which do; None for all.
        each: Losses of each image.

    Example:
        >>> mean_over(torch.tensor([True, False]), torch.tensor([[0.25, 0.75], [0.0, 0.0]]))
        tensor(0.5000)
    """
    if seen is not None:
        each = each[seen]
    return each.mean() if len(each) else each.sum()


def fitted(size: tuple[int, ...] | torch.Size, side: int) -> tuple[int, int]:
    """Height and width when the longest side becomes ``side``, rounded as SAM rounds.

    Example:
        >>> fitted((1080, 1920), 1024), fitted((333, 500), 1024)
        ((576, 1024), (682, 1024))
    """
    scale = side / max(size)
    height, width = (math.floor(length * scale + 0.5) for length in size)
    return max(1, height), max(1, width)
