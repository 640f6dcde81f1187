r"""SAM's image encoder for several sensors at once, with what is trained beside it (MFNet).

The official ``ImageEncoderViT`` stays as it is, frozen. M sensors are stacked in front of the batch, so the
frozen weights see one batch of M·B images. What is trained lives in ``additions``, one per block,
with a leading sensor axis (Ma et al. 2025; ``book/paper_versus_code.md``)::

    x ── norm1 ── qkv [+ LoRA] ── attention ── proj [── adapter] ──(+)── norm2 ─┬─ MLP [+ MMLoRA] ─(+)──
      └──────────────────────────────────────────────────────────┘              └─ [MMAdapter] ─────┘

Equal to running the official encoder once per sensor, but cheaper: one matrix product instead of M, no
padded tokens in window blocks, position tables resized once, nothing kept for frozen weights.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Literal, get_args

import torch
from einops import rearrange
from jaxtyping import Bool, Float
from segment_anything.modeling import ImageEncoderViT
from segment_anything.modeling.common import MLPBlock
from segment_anything.modeling.image_encoder import Attention, Block, get_rel_pos
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from mfnet_lite.sam.window_attention import window_attention
from mfnet_lite.tuning.multimodal.adapter import MMAdapter, SensorAdapter
from mfnet_lite.tuning.multimodal.lora import MMLoRA, QKVUpdate
from mfnet_lite.tuning.multimodal.stacked import zero_fill

Tuning = Literal["mmlora", "mmadapter", "lora", "adapter", "none", "full"]
Tokens = Float[Tensor, "sensor batch height width channels"]
ModalityMask = Bool[Tensor, "batch sensor"]


class BlockAdditions(nn.Module):
    """What one encoder block gets; each part is None where the kind of tuning has none.

    Args:
        block: The official block, for its sizes.
        sensors: Number of sensors.
        tuning: Which kind.
        rank: Rank of the LoRA kinds.
        bottleneck: Hidden width of the adapter kinds; None for a quarter of the block's width.
        alpha: Updates in the attention are scaled by alpha / rank; None for a factor of one.
        zero_init: Adapters start with a zero update, so that the encoder starts as SAM's.
    """

    def __init__(
        self,
        block: Block,
        sensors: int,
        tuning: Tuning,
        rank: int = 4,
        bottleneck: int | None = None,
        alpha: float | None = None,
        zero_init: bool = True,
    ) -> None:
        super().__init__()
        self.qkv: QKVUpdate | None = None
        self.lin1: MMLoRA | None = None
        self.lin2: MMLoRA | None = None
        self.after_attention: SensorAdapter | None = None
        self.beside_mlp: MMAdapter | None = None
        width, hidden = block.mlp.lin1.in_features, block.mlp.lin1.out_features
        mixing = tuning in ("mmlora", "mmadapter")
        if tuning in ("mmlora", "lora"):
            self.qkv = QKVUpdate(width, sensors, rank, alpha=alpha)
            self.lin1 = MMLoRA(width, hidden, sensors, rank, mixing=mixing)
            self.lin2 = MMLoRA(hidden, width, sensors, rank, mixing=mixing)
        elif tuning in ("mmadapter", "adapter"):
            self.after_attention = SensorAdapter(width, sensors, bottleneck, True, zero_init)
            self.beside_mlp = MMAdapter(width, sensors, bottleneck, zero_init, mixing)


class MultimodalEncoder(nn.Module):
    """The frozen image encoder on M sensors, with additions of one kind in every block.

    Args:
        image_encoder: The official encoder; used as it is and frozen (unless ``tuning="full"``).
        sensors: Number of sensors M.
        tuning: ``"mmlora"`` or ``"mmadapter"`` (sensors exchange in every block), ``"lora"`` or
            ``"adapter"`` (each sensor for itself), ``"none"`` (nothing is trained), ``"full"`` (every
            weight of the encoder is).
        rank: Rank of the LoRA kinds.
        bottleneck: Hidden width of the adapter kinds; None for a quarter.
        alpha: Updates in the attention are scaled by alpha / rank; None for a factor of one, 1 in the
            authors' code.
        zero_init: Adapters start with a zero update, so that the encoder starts as SAM's. False keeps
            PyTorch's usual start, as the authors' code does.
        checkpointing: Compute blocks again in the backward pass instead of keeping what they made.

    Raises:
        ValueError: If the kind of tuning is unknown, there is no sensor, or something stands in the place of a block's
            attention or MLP, such as an adapter.

    Warns:
        UserWarning: If a module that is not called here, since its parts are, has forward hooks.

    Shape:
        (sensor, batch, 3, H, W) → (sensor, batch, C, H / patch, W / patch).

    Example:
        >>> from mfnet_lite.sam import SamConfig, build_image_encoder
        >>> sizes = SamConfig(image_size=32, width=16, depth=2, heads=2, global_blocks=(1,))
        >>> encoder = MultimodalEncoder(build_image_encoder(sizes), sensors=2)
        >>> encoder(torch.rand(2, 1, 3, 32, 48)).shape
        torch.Size([2, 1, 256, 2, 3])
    """

    def __init__(
        self,
        image_encoder: ImageEncoderViT,
        sensors: int,
        tuning: Tuning = "mmlora",
        rank: int = 4,
        bottleneck: int | None = None,
        alpha: float | None = None,
        zero_init: bool = True,
        checkpointing: bool = False,
    ) -> None:
        super().__init__()
        if tuning not in get_args(Tuning):
            raise ValueError(f"unknown tuning {tuning!r}; available: {', '.join(get_args(Tuning))}")
        if sensors < 1:
            raise ValueError(f"sensors must be at least 1, got {sensors}")
        check_blocks_are_official(image_encoder)
        self.image_encoder = image_encoder.requires_grad_(tuning == "full")
        self.sensors = sensors
        self.tuning: Tuning = tuning
        self.checkpointing = checkpointing
        self.additions = nn.ModuleList(
            BlockAdditions(block, sensors, tuning, rank, bottleneck, alpha, zero_init)
            for block in image_encoder.blocks
        )
        self._tables: dict[tuple[int, str, int], tuple[tuple[object, ...], Tensor, Tensor]] = {}

    def added_parameters(self) -> Iterator[tuple[str, nn.Parameter]]:
        """Yield name and parameter of everything that is trained, for ``tuning.freeze``."""
        for name, parameter in self.named_parameters():
            if self.tuning == "full" or not name.startswith("image_encoder."):
                yield name, parameter

    def remove_injected(self) -> None:
        """Go back to SAM on every sensor, as with ``tuning="none"``, for ``tuning.detach``.

        Raises:
            ValueError: If SAM's own weights were trained, of which no copy is kept.
        """
        if self.tuning == "full":
            raise ValueError(
                "tuning='full' trained SAM's own weights, so that nothing can be taken off; "
                "load SAM again with mfnet_lite.load_sam"
            )
        self.tuning = "none"
        self.additions = nn.ModuleList(
            BlockAdditions(block, self.sensors, "none") for block in self.image_encoder.blocks
        )

    @property
    def patch(self) -> int:
        """Side of a patch, pixels."""
        return self.image_encoder.patch_embed.proj.kernel_size[0]

    def forward(
        self,
        images: Float[Tensor, "sensor batch 3 image_height image_width"],
        modality_mask: ModalityMask | None = None,
    ) -> Float[Tensor, "sensor batch embedding height width"]:
        """Embed the images of all sensors.

        Args:
            images: Normalised images; sides must be multiples of the patch size.
            modality_mask: Which sensors each sample has; a missing one gives nothing to the others, whatever
                stands in its images, even NaN: they are read as zeros.

        Returns:
            One map per sensor.
        """
        return self.depths(images, (), modality_mask)[1]

    def depths(
        self,
        images: Float[Tensor, "sensor batch 3 image_height image_width"],
        after: Sequence[int],
        modality_mask: ModalityMask | None = None,
    ) -> tuple[list[Tokens], Float[Tensor, "sensor batch embedding height width"]]:
        """Embed the images and keep what some blocks made on the way.

        Args:
            images: As for :meth:`forward`.
            after: Numbers of the blocks whose tokens are wanted, from 0; one may be there twice.
            modality_mask: As for :meth:`forward`.

        Returns:
            Tokens after these blocks, (sensor, batch, height, width, channels) each, and the embedding.
        """
        if images.ndim != 5 or images.shape[0] != self.sensors:
            raise ValueError(
                f"expected ({self.sensors} sensors, batch, 3, height, width), "
                f"got {tuple(images.shape)}"
            )
        if images.shape[-1] % self.patch or images.shape[-2] % self.patch:
            raise ValueError(
                f"height and width must be multiples of the patch size {self.patch}, "
                f"got {tuple(images.shape[-2:])}"
            )
        self.warn_of_hooks()
        official = self.image_encoder
        x = official.patch_embed(
            rearrange(zero_fill(images, modality_mask), "m b c h w -> (m b) c h w")
        )
        if official.pos_embed is not None:
            x = x + self.positions(x.shape[1], x.shape[2])
        x = rearrange(x, "(m b) h w c -> m b h w c", m=self.sensors)
        kept: dict[int, Tokens] = {}
        for number in range(len(official.blocks)):
            if self.checkpointing and torch.is_grad_enabled():
                x = checkpoint(self.run_block, number, x, modality_mask, use_reentrant=False)
            else:
                x = self.run_block(number, x, modality_mask)
            if number in after:
                kept[number] = x
        x = official.neck(rearrange(x, "m b h w c -> (m b) c h w"))
        return [kept[number] for number in after], rearrange(
            x, "(m b) c h w -> m b c h w", m=self.sensors
        )

    def warn_of_hooks(self) -> None:
        """Warn of forward hooks that nothing here would run: blocks and attentions are computed from their parts."""
        if torch.compiler.is_compiling():
            return
        for name, module in passed_over(self.image_encoder):
            if module._forward_hooks or module._forward_pre_hooks:
                warnings.warn(
                    f"the forward hooks on {name} do not run, since this encoder calls the parts of SAM's blocks and "
                    "not the blocks; hook what it calls, such as norm1, attn.qkv, attn.proj or norm2 of a block",
                    stacklevel=3,
                )

    def run_block(
        self, number: int, x: Tokens, modality_mask: ModalityMask | None = None
    ) -> Tokens:
        """Run one block of the encoder with its additions."""
        block, added = self.image_encoder.blocks[number], self.additions[number]
        assert isinstance(added, BlockAdditions)
        # Adapters and LoRA stand inside the residual branches: what they change is added to x with what SAM adds.
        x = x + self._attention(block, added, number, block.norm1(x))
        return x + self._mlp(block, added, block.norm2(x), modality_mask)

    def _attention(self, block: Block, added: BlockAdditions, number: int, x: Tokens) -> Tokens:
        """Attend within each image: sensors meet in the MLP only."""
        attention = block.attn
        # One product for all sensors. Its result is a tensor of its own, no view: the LoRA adds to it in place.
        qkv = attention.qkv(x.flatten(0, -2))
        if added.qkv is not None:
            qkv = added.qkv(x, qkv)
        attended = window_attention(
            qkv.view(-1, *x.shape[2:4], qkv.shape[-1]),
            attention.qkv.bias,  # what a padded token, a zero, is projected to
            attention.num_heads,
            block.window_size,
            self._relative(attention, block.window_size, number, x.shape[2], x.shape[3]),
            attention.scale,
        )
        attended = rearrange(attended, "(m b) h w c -> m b h w c", m=len(x))
        out: Tensor = attention.proj(attended)
        if added.after_attention is not None:
            out = added.after_attention(out)
        return out

    def _mlp(
        self, block: Block, added: BlockAdditions, x: Tokens, modality_mask: ModalityMask | None
    ) -> Tokens:
        """The MLP with MMLoRA in both layers, or MMAdapter beside it."""
        mlp = block.mlp
        out: Tensor
        if added.lin1 is not None and added.lin2 is not None:
            # Sensors meet here, in the r hidden values of both layers; the frozen products stay one batch.
            hidden = mlp.act(added.lin1(x, mlp.lin1(x.flatten(0, -2)), modality_mask))
            out = added.lin2(hidden, mlp.lin2(hidden.flatten(0, -2)), modality_mask)
        else:
            out = mlp(x)
        if added.beside_mlp is not None:
            out = out + added.beside_mlp(x, modality_mask)
        return out

    def positions(self, height: int, width: int) -> Float[Tensor, "1 height width channels"]:
        """Return the absolute positions, resized to the grid as SAM's own table would be."""
        table = self.image_encoder.pos_embed
        if table.shape[1:3] == (height, width):
            return table

        def resize() -> Tensor:
            flat = rearrange(table, "1 h w c -> 1 c h w")
            flat = F.interpolate(flat, size=(height, width), mode="bicubic", align_corners=False)
            return rearrange(flat, "1 c h w -> 1 h w c")

        return self._cached(table, (-1, "positions", height * 65536 + width), resize)

    def _relative(
        self, attention: Attention, window: int, number: int, height: int, width: int
    ) -> tuple[Tensor, Tensor] | None:
        """Return the relative tables of a block, one row of keys per query."""
        if not attention.use_rel_pos:
            return None
        sides = (window or height, window or width)
        tables = (attention.rel_pos_h, attention.rel_pos_w)
        high, wide = (
            self._cached(table, (number, axis, side), partial(get_rel_pos, side, side, table))
            for table, axis, side in zip(tables, "hw", sides, strict=True)
        )
        return high, wide

    def _cached(
        self, table: Tensor, key: tuple[int, str, int], make: Callable[[], Tensor]
    ) -> Tensor:
        """Make a resized table once, and again only if the frozen table was changed or moved."""
        # where its gradient must flow through the resizing nothing may be kept; a traced tensor has no address, one
        # made in inference mode no version, and one on the meta device no numbers
        traced = torch.compiler.is_compiling() or table.is_meta
        # on a GPU resizing is a few small kernels, while a comparison would wait for all that are queued
        if table.requires_grad or table.is_inference() or traced or table.is_cuda:
            return make()
        # the version counts changes in place, as by load_state_dict; the address changes when the model is moved
        state = (table.data_ptr(), table._version, table.device, table.dtype)
        known = self._tables.get(key)
        # a change through .data raises no version; a table is a few thousand numbers as a rule
        if known is None or known[0] != state or not torch.equal(known[1], table):
            # made in inference mode, it could not take part in a later training
            with torch.inference_mode(False), torch.no_grad():
                known = (state, table.detach().clone(), make().detach())
            self._tables[key] = known
        return known[2]


def passed_over(image_encoder: ImageEncoderViT) -> Iterator[tuple[str, nn.Module]]:
    """Yield name and module of what is computed here without being called.

    Args:
        image_encoder: The official encoder.
    """
    yield "image_encoder", image_encoder
    for number, block in enumerate(image_encoder.blocks):
        yield f"image_encoder.blocks.{number}", block
        yield f"image_encoder.blocks.{number}.attn", block.attn


def check_blocks_are_official(image_encoder: ImageEncoderViT) -> None:
    """Refuse what was injected in the place of modules whose parts are called here.

    Args:
        image_encoder: The encoder.

    Raises:
        ValueError: If there is such a module.
    """
    for number, block in enumerate(image_encoder.blocks):
        parts = {
            "": (block, Block),
            ".attn": (block.attn, Attention),
            ".mlp": (block.mlp, MLPBlock),
        }
        for part, (module, official) in parts.items():
            if not isinstance(module, official):
                raise ValueError(
                    f"expected SAM's {official.__name__} as image_encoder.blocks.{number}{part}, found "
                    f"{type(module).__name__}, which this encoder would pass over; take it off with "
                    "mfnet_lite.tuning.detach, or load the SAM again"
                )
