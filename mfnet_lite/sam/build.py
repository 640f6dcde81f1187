"""Build Segment Anything in any size, from the official classes and nothing else.

A :class:`SamConfig` holds every number the official builders keep hard-coded, so that ViT-B,
ViT-L, ViT-H and our own small SAM are four constants. :func:`infer_config` reads the configuration back
from the shapes of a state dict, and :func:`resize_state_dict` carries the learned position tables
to another input size (Kirillov et al. 2023, arXiv 2304.02643; relative tables of Li et al. 2022,
arXiv 2203.16527).
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial

import torch
from einops import rearrange
from segment_anything.modeling import (
    ImageEncoderViT,
    MaskDecoder,
    PromptEncoder,
    Sam,
    TwoWayTransformer,
)
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = [
    "TINY",
    "VIT_B",
    "VIT_H",
    "VIT_L",
    "SamConfig",
    "build_image_encoder",
    "build_sam",
    "infer_config",
    "resize_state_dict",
]

METADATA_KEY = "sam_config"
"""Key under which a safetensors file may carry its :class:`SamConfig` as JSON."""

_REL_POS = re.compile(r"^image_encoder\.blocks\.(\d+)\.attn\.rel_pos_[hw]$")


@dataclass(frozen=True)
class SamConfig:
    """Every size of one Segment Anything model.

    Attributes:
        image_size: Side of the square model input, pixels; a multiple of ``patch_size``.
        patch_size: Side of a patch, pixels.
        width: Channels of an encoder token.
        depth: Number of encoder blocks.
        heads: Attention heads of an encoder block.
        mlp_ratio: Hidden width of an encoder MLP over ``width``.
        window: Side of an attention window, tokens.
        global_blocks: Indices of the blocks which attend to the whole grid.
        prompt_dim: Channels of embeddings, prompts and decoder tokens.
        mask_in_chans: Hidden channels of the mask-prompt path.
        decoder_depth: Layers of the two-way transformer.
        decoder_heads: Attention heads of the two-way transformer (no tensor shape tells them).
        decoder_mlp_dim: Hidden width of the two-way transformer's MLPs.
        multimask_outputs: Masks of the ambiguity set; the decoder has one token more.
        iou_head_depth: Layers of the head that predicts a mask's IoU.
        iou_head_hidden: Hidden width of that head.

    Raises:
        ValueError: If a size cannot be built.

    Example:
        >>> VIT_B.grid, replace(VIT_B, image_size=512).grid
        (64, 32)
    """

    image_size: int = 1024
    patch_size: int = 16
    width: int = 768
    depth: int = 12
    heads: int = 12
    mlp_ratio: float = 4.0
    window: int = 14
    global_blocks: tuple[int, ...] = (2, 5, 8, 11)
    prompt_dim: int = 256
    mask_in_chans: int = 16
    decoder_depth: int = 2
    decoder_heads: int = 8
    decoder_mlp_dim: int = 2048
    multimask_outputs: int = 3
    iou_head_depth: int = 3
    iou_head_hidden: int = 256

    def __post_init__(self) -> None:
        if self.image_size < self.patch_size or self.image_size % self.patch_size:
            near = max(1, round(self.image_size / self.patch_size)) * self.patch_size
            raise ValueError(
                f"image_size must be a positive multiple of the patch size {self.patch_size}, "
                f"got {self.image_size}; use {near}."
            )
        if self.width % self.heads:
            raise ValueError(f"width {self.width} must be a multiple of heads {self.heads}.")

    @property
    def grid(self) -> int:
        """Side of the token grid."""
        return self.image_size // self.patch_size

    def to_json(self) -> str:
        """Write the configuration for a file's metadata."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> SamConfig:
        """Read what :meth:`to_json` wrote."""
        fields = json.loads(text)
        return cls(**{**fields, "global_blocks": tuple(fields["global_blocks"])})


VIT_B = SamConfig()
VIT_L = SamConfig(width=1024, depth=24, heads=16, global_blocks=(5, 11, 17, 23))
VIT_H = SamConfig(width=1280, depth=32, heads=16, global_blocks=(7, 15, 23, 31))
TINY = SamConfig(
    image_size=256,
    patch_size=8,
    width=192,
    depth=6,
    heads=6,
    window=8,
    global_blocks=(2, 5),
    prompt_dim=128,
    decoder_mlp_dim=512,
    iou_head_hidden=128,
)
# The four models known by name.
CONFIGS: Mapping[str, SamConfig] = {"tiny": TINY, "vit_b": VIT_B, "vit_l": VIT_L, "vit_h": VIT_H}


def build_image_encoder(config: SamConfig) -> ImageEncoderViT:
    """Build the official image encoder with random weights and zero position tables.

    Args:
        config: The sizes.

    Returns:
        The encoder: (B, 3, S, S) normalised image -> (B, prompt_dim, grid, grid) embedding.

    Example:
        >>> small = SamConfig(image_size=32, width=16, depth=1, heads=2, global_blocks=(0,))
        >>> tuple(build_image_encoder(small)(torch.zeros(1, 3, 32, 32)).shape)
        (1, 256, 2, 2)
    """
    return ImageEncoderViT(
        img_size=config.image_size,
        patch_size=config.patch_size,
        embed_dim=config.width,
        depth=config.depth,
        num_heads=config.heads,
        mlp_ratio=config.mlp_ratio,
        out_chans=config.prompt_dim,
        qkv_bias=True,
        norm_layer=partial(nn.LayerNorm, eps=1e-6),
        use_rel_pos=True,
        window_size=config.window,
        global_attn_indexes=config.global_blocks,
    )


def build_sam(config: SamConfig, seed: int | None = None) -> Sam:
    """Build the official ``Sam`` with random weights, in evaluation mode.

    Args:
        config: The sizes, for example :data:`TINY` or :data:`VIT_B`.
        seed: Seed of the weights; the global random state is left as it was. ``None`` draws from
            the global state. Under ``torch.device("meta")`` no memory is taken.

    Returns:
        The model; its position tables are zero, as officially.

    Example:
        >>> sam = build_sam(TINY, seed=0)
        >>> sum(p.numel() for p in sam.parameters())
        3846912
    """
    if seed is not None:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            return build_sam(config)
    return Sam(
        image_encoder=build_image_encoder(config),
        prompt_encoder=PromptEncoder(
            embed_dim=config.prompt_dim,
            image_embedding_size=(config.grid, config.grid),
            input_image_size=(config.image_size, config.image_size),
            mask_in_chans=config.mask_in_chans,
        ),
        mask_decoder=MaskDecoder(
            num_multimask_outputs=config.multimask_outputs,
            transformer=TwoWayTransformer(
                depth=config.decoder_depth,
                embedding_dim=config.prompt_dim,
                mlp_dim=config.decoder_mlp_dim,
                num_heads=config.decoder_heads,
            ),
            transformer_dim=config.prompt_dim,
            iou_head_depth=config.iou_head_depth,
            iou_head_hidden_dim=config.iou_head_hidden,
        ),
    ).eval()


def resize_state_dict(
    state: Mapping[str, Tensor], config: SamConfig, image_size: int
) -> dict[str, Tensor]:
    """Carry a state dict to another input size; every other tensor is passed on untouched.

    The absolute table is interpolated bicubically, the relative tables of the *global* blocks
    linearly to 2·grid − 1 rows, as the official helper does at run time; window tables stay.

    Args:
        state: An official SAM state dict.
        config: The sizes ``state`` was made for.
        image_size: The wanted input side, pixels, a multiple of the patch size.

    Returns:
        A new dict, ready for a strict load into ``build_sam(replace(config, image_size=...))``.
    """
    grid = replace(config, image_size=image_size).grid
    resized = dict(state)
    table = state["image_encoder.pos_embed"]
    if table.shape[1:3] != (grid, grid):
        image = rearrange(table.float(), "one height width channel -> one channel height width")
        image = F.interpolate(image, (grid, grid), mode="bicubic", align_corners=False)
        resized["image_encoder.pos_embed"] = rearrange(
            image, "one channel height width -> one height width channel"
        ).to(table.dtype)
    for key, rows in state.items():
        match = _REL_POS.match(key)
        if match and int(match[1]) in config.global_blocks and len(rows) != 2 * grid - 1:
            line = rearrange(rows.float(), "row channel -> 1 channel row")
            line = F.interpolate(line, 2 * grid - 1, mode="linear", align_corners=False)
            resized[key] = rearrange(line, "1 channel row -> row channel").to(rows.dtype)
    return resized


def infer_config(
    state: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None
) -> SamConfig:
    """Read a model's sizes from the shapes of its state dict.

    Heads follow from the width of the relative tables, global blocks from their row counts. Only
    when all blocks have tables of one length (a window as large as the grid) do the shapes not
    tell them apart; then the metadata or one of the four known models decides.

    Args:
        state: An official SAM state dict.
        metadata: Metadata of a safetensors file; :data:`METADATA_KEY` wins over the shapes.

    Returns:
        The configuration; two-way transformer heads, which no shape tells, are 8 without metadata.

    Raises:
        ValueError: If the tensors are not a SAM with a ViT encoder, or the shapes are ambiguous.
    """
    if metadata and METADATA_KEY in metadata:
        return SamConfig.from_json(metadata[METADATA_KEY])
    try:
        _, grid, _, width = state["image_encoder.pos_embed"].shape
        patch = state["image_encoder.patch_embed.proj.weight"].shape[-1]
        rows = {int(m[1]): len(t) for k, t in state.items() if (m := _REL_POS.match(k))}
        head_dim = state["image_encoder.blocks.0.attn.rel_pos_h"].shape[1]
        mask_tokens, prompt_dim = state["mask_decoder.mask_tokens.weight"].shape
        layers = "mask_decoder.transformer.layers."
        iou = "mask_decoder.iou_prediction_head.layers."
        config = SamConfig(
            image_size=grid * patch,
            patch_size=patch,
            width=width,
            depth=len(rows),
            heads=width // head_dim,
            mlp_ratio=state["image_encoder.blocks.0.mlp.lin1.weight"].shape[0] / width,
            global_blocks=(),
            prompt_dim=prompt_dim,
            mask_in_chans=state["prompt_encoder.mask_downscaling.3.weight"].shape[0],
            decoder_depth=len({k.split(".")[3] for k in state if k.startswith(layers)}),
            decoder_mlp_dim=state[layers + "0.mlp.lin1.weight"].shape[0],
            multimask_outputs=mask_tokens - 1,
            iou_head_depth=len({k.split(".")[3] for k in state if k.startswith(iou)}),
            iou_head_hidden=state[iou + "0.weight"].shape[0],
        )
    except KeyError as error:
        raise ValueError(f"tensor {error} is missing, so this is not a SAM with a ViT.") from None
    for known in CONFIGS.values():
        layout = replace(config, window=known.window, global_blocks=known.global_blocks)
        if layout == replace(known, image_size=config.image_size):
            return layout
    if len(set(rows.values())) != 2:
        raise ValueError(
            f"relative tables of {sorted(set(rows.values()))} rows do not tell window from global "
            f"blocks; save the file as safetensors with the metadata key {METADATA_KEY!r}."
        )
    # A fine-tuned copy may keep its old global tables beside a resized absolute table.
    counts = Counter(rows.values())
    whole = 2 * grid - 1 if 2 * grid - 1 in counts else max(counts)
    (windowed,) = set(counts) - {whole}
    return replace(
        config,
        window=(windowed + 1) // 2,
        global_blocks=tuple(i for i in sorted(rows) if rows[i] == whole),
    )
