"""A plain vision transformer, run block by block: one thin interface, SAM's encoder and timm's behind it.

What prompts between blocks need of a network is little: patches become tokens, a block maps tokens to tokens, the
last ones become a map. Whatever stands in front of the patch tokens (timm's class and register tokens) passes
through. Everything is frozen and stays in evaluation mode.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from einops import rearrange
from jaxtyping import Float
from segment_anything.modeling import Sam
from torch import Tensor, nn
from torch.nn import functional as F

from mfnet_lite.nets.encoders.multimodal_sam import MultimodalEncoder

Images = Float[Tensor, "batch 3 image_height image_width"]
Tokens = Float[Tensor, "batch prefix_and_patches width"]
Grid = tuple[int, int]


class PlainViT(nn.Module):
    """A frozen vision transformer in three steps: :meth:`embed`, :meth:`block`, :meth:`final`.

    Attributes:
        width: Channels of a token before the first block.
        depth: Number of blocks.
        patch: Side of a patch, pixels; sides of images are multiples of it.
        prefix: Tokens before the patches.
        channels: Channels of the final map.
        mean: What is subtracted from images in [0, 1].
        std: What they are divided by then.

    In a vision transformer neither width nor grid changes from block to block. In a network of stages
    (:class:`~mfnet_lite.nets.encoders.staged_cnn.StagedCNN`) both do: :meth:`width_after` and :meth:`grid_after`
    say how.
    """

    width: int
    depth: int
    patch: int
    prefix: int
    channels: int
    mean: Tensor
    std: Tensor

    def train(self, mode: bool = True) -> PlainViT:
        """Stay in evaluation mode: no dropout in a frozen network."""
        del mode
        return super().train(False)

    def grid(self, images: Images) -> Grid:
        """Return rows and columns of patches.

        Args:
            images: Sides must be multiples of the patch size.

        Raises:
            ValueError: If they are not, or the shape is another.
        """
        if images.ndim != 4 or images.shape[1] != 3:
            raise ValueError(f"expected (batch, 3, height, width), got {tuple(images.shape)}")
        height, width = images.shape[2:]
        if height % self.patch or width % self.patch or not (height and width):
            raise ValueError(
                f"height and width must be multiples of the patch size {self.patch}, "
                f"got {(height, width)}"
            )
        return height // self.patch, width // self.patch

    def width_after(self, number: int) -> int:
        """Return the channels of a token after a block.

        Args:
            number: Of the block, from 0.
        """
        del number
        return self.width

    def grid_after(self, number: int, grid: Grid) -> Grid:
        """Return rows and columns after a block.

        Args:
            number: Of the block, from 0.
            grid: Rows and columns before it.
        """
        del number
        return grid

    def forward(self, images: Images) -> Float[Tensor, "batch channels height width"]:
        """Run the whole network on normalised images."""
        grid = self.grid(images)
        tokens = self.embed(images)
        for number in range(self.depth):
            tokens = self.block(number, tokens, grid)
            grid = self.grid_after(number, grid)
        return self.final(tokens, grid)

    @abstractmethod
    def embed(self, images: Images) -> Tokens:
        """Turn normalised images into tokens with their positions."""

    @abstractmethod
    def block(self, number: int, tokens: Tokens, grid: Grid) -> Tokens:
        """Run one block.

        Args:
            number: Of the block, from 0.
            tokens: As the block before left them.
            grid: Their rows and columns.
        """

    @abstractmethod
    def final(self, tokens: Tokens, grid: Grid) -> Float[Tensor, "batch channels height width"]:
        """Turn the last tokens into a map, with what the network does after its blocks."""

    def _keep(self, mean: Any, std: Any) -> None:
        """Keep the statistics of the images; they belong to the network and are not saved."""
        for name, value in (("mean", mean), ("std", std)):
            value = torch.as_tensor(value, dtype=torch.float32).reshape(3, 1, 1)
            self.register_buffer(name, value, persistent=False)


class SamViT(PlainViT):
    """SAM's image encoder of any size; its neck is the final step.

    Args:
        sam: The model; its image encoder is frozen, the rest is not kept.

    Example:
        >>> from mfnet_lite.sam import SamConfig, build_sam
        >>> sizes = SamConfig(image_size=64, width=16, depth=2, heads=2, global_blocks=(1,))
        >>> sam, image = build_sam(sizes), torch.rand(1, 3, 64, 64)
        >>> torch.allclose(SamViT(sam)(image), sam.image_encoder(image), atol=1e-5)
        True
    """

    prefix = 0

    def __init__(self, sam: Sam) -> None:
        super().__init__()
        # With one sensor and nothing added this is the official encoder, attention fused, padding saved.
        self.encoder = MultimodalEncoder(sam.image_encoder, sensors=1, tuning="none")
        projection = sam.image_encoder.patch_embed.proj
        self.width, self.patch = projection.out_channels, projection.kernel_size[0]
        self.depth = len(sam.image_encoder.blocks)
        self.channels = sam.image_encoder.neck[0].out_channels
        self._keep(sam.pixel_mean / 255, sam.pixel_std / 255)
        self.eval()

    def embed(self, images: Images) -> Tokens:
        """Embed patches and add the position table, resized to the grid."""
        self.encoder.warn_of_hooks()
        tokens = self.encoder.image_encoder.patch_embed(images)
        if self.encoder.image_encoder.pos_embed is not None:
            tokens = tokens + self.encoder.positions(*tokens.shape[1:3])
        # channel-last in memory from here on; the official embedding permutes a view
        return rearrange(tokens, "b h w c -> b (h w) c").contiguous()

    def block(self, number: int, tokens: Tokens, grid: Grid) -> Tokens:
        """Run one block, in its windows if it has them."""
        height, width = grid
        spread = rearrange(tokens, "b (h w) c -> 1 b h w c", h=height, w=width)
        return rearrange(self.encoder.run_block(number, spread), "1 b h w c -> b (h w) c")

    def final(self, tokens: Tokens, grid: Grid) -> Float[Tensor, "batch channels height width"]:
        """Run SAM's neck."""
        height, width = grid
        out: Tensor = self.encoder.image_encoder.neck(
            rearrange(tokens, "b (h w) c -> b c h w", h=height, w=width)
        )
        return out


class TimmViT(PlainViT):
    """A plain vision transformer of timm: its blocks and its last normalisation.

    Args:
        vit: A ``timm.models.vision_transformer.VisionTransformer`` with an absolute position table.

    Raises:
        ValueError: If the network has another structure.
    """

    def __init__(self, vit: nn.Module) -> None:
        super().__init__()
        needed = ("patch_embed", "pos_embed", "blocks", "norm", "norm_pre", "num_prefix_tokens")
        lacking = [name for name in needed if getattr(vit, name, None) is None]
        if lacking:
            raise ValueError(
                f"expected a plain vision transformer of timm, got {type(vit).__name__} without "
                f"{', '.join(lacking)}; timm.create_model('vit_base_patch16_224') gives one"
            )
        self.vit = vit.requires_grad_(False)
        inner: Any = vit  # timm is no dependency: its attributes have no types here
        projection = inner.patch_embed.proj
        self.width, self.patch = projection.out_channels, projection.kernel_size[0]
        self.depth, self.prefix = len(inner.blocks), inner.num_prefix_tokens
        self.channels = self.width
        config = getattr(vit, "pretrained_cfg", None) or {}
        self._keep(
            config.get("mean", (0.485, 0.456, 0.406)), config.get("std", (0.229, 0.224, 0.225))
        )
        self.eval()

    def embed(self, images: Images) -> Tokens:
        """Embed patches, add positions, put class and register tokens in front."""
        vit: Any = self.vit
        tokens = vit.patch_embed.proj(images)
        height, width = tokens.shape[2:]
        tokens = vit.patch_embed.norm(rearrange(tokens, "b c h w -> b (h w) c"))
        front = [t for t in (vit.cls_token, getattr(vit, "reg_token", None)) if t is not None]
        before = [t.expand(len(tokens), -1, -1) for t in front]
        table = self._positions(height, width)
        if table.shape[1] == tokens.shape[1]:  # the prefix has no positions
            tokens = torch.cat([*before, tokens + table], dim=1)
        else:
            tokens = torch.cat([*before, tokens], dim=1) + table
        out: Tensor = vit.norm_pre(tokens)
        return out

    def block(self, number: int, tokens: Tokens, grid: Grid) -> Tokens:
        """Run one block."""
        del grid
        vit: Any = self.vit
        out: Tensor = vit.blocks[number](tokens)
        return out

    def final(self, tokens: Tokens, grid: Grid) -> Float[Tensor, "batch channels height width"]:
        """Normalise, and leave the prefix out."""
        vit: Any = self.vit
        patches = vit.norm(tokens)[:, self.prefix :]
        return rearrange(patches, "b (h w) c -> b c h w", h=grid[0], w=grid[1])

    def _positions(self, height: int, width: int) -> Float[Tensor, "1 token width"]:
        """Return the position table, resized to the grid as timm would."""
        vit: Any = self.vit
        table: Tensor = vit.pos_embed
        rows, columns = vit.patch_embed.grid_size
        prefix = table.shape[1] - rows * columns
        if (rows, columns) == (height, width):
            return table
        front, patches = table[:, :prefix], table[:, prefix:]
        patches = rearrange(patches, "1 (h w) c -> 1 c h w", h=rows)
        patches = F.interpolate(patches, (height, width), mode="bicubic", antialias=True)
        return torch.cat([front, rearrange(patches, "1 c h w -> 1 (h w) c")], dim=1)


class RotaryViT(TimmViT):
    """A vision transformer of timm that also turns queries and keys by their place: EVA02 and its kin.

    Args:
        vit: A ``timm.models.eva.Eva`` with a position table and one rotation for all blocks.

    Raises:
        ValueError: If the network has another structure.
    """

    def __init__(self, vit: nn.Module) -> None:
        super().__init__(vit)
        inner: Any = vit
        if inner.rope_mixed:
            raise ValueError(
                f"expected one rotation for all blocks of {type(vit).__name__}, got one per block; "
                "timm.create_model('eva02_base_patch16_clip_224') gives such a network"
            )

    def block(self, number: int, tokens: Tokens, grid: Grid) -> Tokens:
        """Run one block with the rotation of this grid."""
        vit: Any = self.vit
        if tuple(vit.rope.feat_shape or grid) != grid:
            # given a shape, get_embed of a network of fixed size returns the rotation of its own without a word
            # it is kept: made in inference mode, it could not take part in a later training
            with torch.inference_mode(vit.rope.pos_embed.is_inference()):
                vit.rope.update_feat_shape(list(grid))
        rotation = vit.rope.get_embed(list(grid))
        out: Tensor = vit.blocks[number](tokens, rope=rotation)
        return out


def plain_vit(network: nn.Module) -> PlainViT:
    """Put the interface around a network.

    Args:
        network: A Sam, a plain vision transformer of timm, or a :class:`PlainViT`.

    Raises:
        ValueError: If it is none of them.
    """
    if isinstance(network, PlainViT):
        return network
    if isinstance(network, Sam):
        return SamViT(network)
    if not isinstance(network, nn.Module):
        raise ValueError(
            f"expected a Sam or a plain vision transformer, got an object of type "
            f"{type(network).__name__}; mfnet_lite.load_sam('tiny') gives one"
        )
    return RotaryViT(network) if getattr(network, "rope", None) is not None else TimmViT(network)


def spread(count: int, depth: int) -> tuple[int, ...]:
    """Spread prompters evenly over the blocks of a network, from the first on.

    Args:
        count: How many; 0 for one before every block.
        depth: Number of blocks.

    Raises:
        ValueError: If there are more than blocks.

    Example:
        >>> spread(3, 12), spread(0, 4)
        ((0, 4, 8), (0, 1, 2, 3))
    """
    if not 0 <= count <= depth:
        raise ValueError(f"expected 0 to {depth} prompters for {depth} blocks, got {count}")
    count = count or depth
    return tuple(number * depth // count for number in range(count))


def check_blocks(blocks: Sequence[int], depth: int) -> tuple[int, ...]:
    """Return numbers of blocks in order, or say which does not exist.

    Args:
        blocks: Numbers, from 0.
        depth: Number of blocks.
    """
    if len(set(blocks)) < len(blocks) or any(not 0 <= number < depth for number in blocks):
        raise ValueError(
            f"blocks must be different numbers from 0 to {depth - 1}, got {tuple(blocks)}"
        )
    return tuple(sorted(blocks))
