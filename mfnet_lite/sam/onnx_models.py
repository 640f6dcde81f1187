"""Segment Anything as two ONNX files: the encoder, run once per image, and the decoder, run for every prompt.

Names and meaning of the inputs are those of Meta's own export (``SamOnnxModel`` of ``segment_anything``), so that
programs written for it find them; masks are left at the decoder's own resolution, where they can be fed back as
``mask_input``, and all four come out: the single mask first, then the three for an ambiguous prompt.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from segment_anything.modeling import Sam
from torch import Tensor, nn

from mfnet_lite.utils.files import replacing
from mfnet_lite.utils.onnx_files import (
    Agreement,
    by_sign,
    check_onnx,
    compare,
    convert_to_onnx,
    open_onnx,
)

__all__ = ["OnnxDecoder", "OnnxEncoder", "export_sam", "padded_image"]

DECODER_INPUTS = (
    "image_embeddings", "point_coords", "point_labels", "mask_input", "has_mask_input",
)  # fmt: skip
DECODER_OUTPUTS = ("low_res_masks", "iou_predictions")


class OnnxEncoder(nn.Module):
    """SAM's normalisation and image encoder.

    Args:
        sam: The model.

    Shape:
        (1, 3, side, side), RGB from 0 to 255, → (1, channels, h, w). A picture that is no square is padded
        at the bottom and right with the mean colour ``sam.pixel_mean``, which is 0 after normalisation as in SAM.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, sam: Sam) -> None:
        super().__init__()
        self.encoder = sam.image_encoder
        self.register_buffer("mean", sam.pixel_mean)
        self.register_buffer("std", sam.pixel_std)

    def forward(
        self, image: Float[Tensor, "1 3 side side"]
    ) -> Float[Tensor, "1 channels height width"]:
        """Embed an image."""
        out: Tensor = self.encoder((image - self.mean) / self.std)
        return out


class OnnxDecoder(nn.Module):
    """SAM's prompt encoder and mask decoder for one prompt of any number of points.

    Args:
        sam: The model.
    """

    position: Tensor
    kinds: Tensor

    def __init__(self, sam: Sam) -> None:
        super().__init__()
        self.prompts = sam.prompt_encoder
        self.decoder = sam.mask_decoder
        self.register_buffer("position", sam.prompt_encoder.get_dense_pe().detach())
        kinds = [sam.prompt_encoder.not_a_point_embed, *sam.prompt_encoder.point_embeddings]
        self.register_buffer("kinds", torch.cat([table.weight for table in kinds]).detach())

    def forward(
        self,
        image_embeddings: Float[Tensor, "1 channels h w"],
        point_coords: Float[Tensor, "1 points 2"],
        point_labels: Float[Tensor, "1 points"],
        mask_input: Float[Tensor, "1 1 mask_height mask_width"],
        has_mask_input: Float[Tensor, 1],
    ) -> tuple[Float[Tensor, "1 4 mask_height mask_width"], Float[Tensor, "1 4"]]:
        """Decode a prompt.

        Args:
            image_embeddings: From the encoder.
            point_coords: (x, y) in pixels of the encoder's input.
            point_labels: 1 inside, 0 outside, 2 and 3 the corners of a box; a prompt without a box ends with a
                point of label -1, which is padding.
            mask_input: Logits of an earlier answer, one of the four.
            has_mask_input: 1 if there is one, else 0.

        Returns:
            Mask logits at a quarter of the embedding's stride, and the estimated IoU of each.
        """
        side = self.prompts.input_image_size[0]
        code = self.prompts.pe_layer._pe_encoding((point_coords + 0.5) / side)
        is_point = (point_labels >= 0).unsqueeze(-1)
        number = torch.arange(-1, len(self.kinds) - 1)
        kind = (point_labels.unsqueeze(-1) == number).to(code.dtype) @ self.kinds
        tokens = torch.where(is_point, code, torch.zeros_like(code)) + kind
        nothing = self.prompts.no_mask_embed.weight[:, :, None, None]
        fed_back = self.prompts.mask_downscaling(mask_input)
        dense = has_mask_input * fed_back + (1 - has_mask_input) * nothing
        masks, iou = self.decoder.predict_masks(image_embeddings, self.position, tokens, dense)
        return masks, iou


def padded_image(
    sam: Sam, image: Float[Tensor, "3 height width"]
) -> Float[Tensor, "1 3 side side"]:
    """Pad an image at the bottom and right with the colour that SAM's normalisation makes 0.

    Args:
        sam: The model.
        image: RGB from 0 to 255, not larger than the model's input.

    Example:
        >>> from mfnet_lite.sam import SamConfig, build_sam
        >>> sam = build_sam(SamConfig(image_size=32, width=16, depth=1, heads=2, global_blocks=(0,)))
        >>> padded_image(sam, torch.zeros(3, 20, 32))[0, 0, [0, 31], 0]
        tensor([  0.0000, 123.6750])
    """
    side, (height, width) = sam.image_encoder.img_size, image.shape[-2:]
    square = sam.pixel_mean.expand(3, side, side).clone()
    square[:, :height, :width] = image
    return square[None]


def export_sam(
    sam: Sam,
    encoder: str | Path,
    decoder: str | Path,
    images: Sequence[Float[Tensor, "1 3 side side"]],
) -> Agreement:
    """Write a SAM as two ONNX files, which get their names only if onnxruntime gives the model's answers.

    Args:
        sam: The model, on the CPU.
        encoder: File of the encoder.
        decoder: File of the decoder.
        images: Real images to compare on, RGB from 0 to 255, as large as the model's input.

    Returns:
        How well files and model agree: embeddings, masks, estimated IoU, and masks made from the file's own
        embeddings.

    Raises:
        ImportError: If the extra ``onnx`` is not installed.
        ValueError: If the model cannot be exported, or the files give other answers.
    """
    whole, prompted = OnnxEncoder(sam).eval(), OnnxDecoder(sam).eval()
    with torch.no_grad():
        embeddings = [whole(image) for image in images]
        prompts = [prompt for e in embeddings for prompt in _prompts(prompted, e)]
    with replacing(encoder) as first, replacing(decoder) as second:
        convert_to_onnx(whole, images[:1], first, ["image"], ["image_embeddings"])
        # Two points as an example: an axis of length one would be written down as a constant.
        axes = {"point_coords": {1: "points"}, "point_labels": {1: "points"}}
        convert_to_onnx(prompted, prompts[0], second, DECODER_INPUTS, DECODER_OUTPUTS, axes)
        agreement = check_onnx(first, whole, [[image] for image in images])
        decide = {"low_res_masks": by_sign}
        agreement = agreement.with_other(check_onnx(second, prompted, prompts, decide))
        session = open_onnx(first)
        own = [torch.from_numpy(session.run(None, {"image": x.numpy()})[0]) for x in images]
        chained = [prompt for e in own for prompt in _prompts(prompted, e)]
        return agreement.with_other(_check_chain(second, prompted, chained, prompts))


def _check_chain(
    path: Path,
    network: OnnxDecoder,
    chained: Sequence[Sequence[Tensor]],
    expected: Sequence[Sequence[Tensor]],
) -> Agreement:
    """Compare both files, one behind the other, with the model from image to mask."""
    session, total = open_onnx(path), Agreement()
    for mine, theirs in zip(chained, expected, strict=True):
        values = dict(zip(DECODER_INPUTS, (x.numpy() for x in mine), strict=True))
        with torch.no_grad():
            masks = network(*theirs)[0].numpy()
        found = session.run(["low_res_masks"], values)[0]
        total = total.with_other(compare(found, masks, by_sign, "the mask"))
    return total


def _prompts(decoder: OnnxDecoder, embedding: Tensor) -> list[tuple[Tensor, ...]]:
    """One click, two clicks, a box, a box with a click, and the answer to the first fed back."""
    side = float(decoder.prompts.input_image_size[0])
    points = torch.tensor([[0.3, 0.4], [0.7, 0.6], [0.2, 0.25], [0.8, 0.7], [0.0, 0.0]]) * side
    h, w = embedding.shape[-2:]
    blank = embedding.new_zeros(1, 1, 4 * h, 4 * w)

    def prompt(
        which: list[int], labels: list[float], mask: Tensor | None = None
    ) -> tuple[Tensor, ...]:
        return (
            embedding, points[which][None], torch.tensor([labels]).float(),
            blank if mask is None else mask, torch.tensor([0.0 if mask is None else 1.0]),
        )  # fmt: skip

    click = prompt([0, 4], [1, -1])
    with torch.no_grad():
        answer = decoder(*click)[0][:, :1]
    return [
        click,
        prompt([0, 1, 4], [1, 0, -1]),
        prompt([2, 3], [2, 3]),
        prompt([0, 2, 3], [1, 2, 3]),
        prompt([0, 1, 4], [1, 0, -1], answer),
    ]
