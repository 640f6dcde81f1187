"""Models of open_clip as vision-language pairs: CLIP, EVA02-CLIP, SigLIP and what is built like them.

They differ in the image side. What :meth:`OpenClipPair.visual` gives for the whole image is in each case the model's
own embedding; what it gives for a patch is said here, since no model was trained for it::

    CLIP         open_clip's transformer    class token ── norm ── projection         patches the same way
    EVA02-CLIP   timm's, rotary             class token ── norm ── linear head        patches the same way
    SigLIP       timm's, no class token     norm ── attention pooling of all          each patch pooled alone

Pooled alone, a patch's attention is 1, so that it passes the pool's value and output projection and its MLP, as it
would if the pool looked nowhere else. This is for SigLIP's head what MaskCLIP does with CLIP's (Zhou et al., ECCV
2022, arXiv 2112.01071).

On the text side prompts stand after the start token, or first where there is none (SigLIP). CLIP reads a phrase at its
end token and looks back only, so what fills up is left out. SigLIP reads the last of all places and looks everywhere:
there every phrase is filled up to the context length, as in training.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from mfnet_lite.nets.encoders.plain_vit import Grid, Images, PlainViT, Tokens, plain_vit
from mfnet_lite.nets.encoders.vision_language import TextEncoder, TextTokens, VisionLanguage

ADVICE = "choose another, such as ViT-B-16, EVA02-B-16 or ViT-B-16-SigLIP"


class Tokenizer(NamedTuple):
    """Words to numbers.

    Args:
        encode: A phrase to numbers, start and end token included, neither filled up nor cut.
        start: Whether the first of them is a start token.
        fill: Number that fills up.
    """

    encode: Callable[[str], list[int]]
    start: bool
    fill: int


def open_clip_tokenizer(tokenizer: Any) -> Tokenizer:
    """Take from a tokenizer of open_clip what cuts nothing: called as it is, it shortens long phrases silently.

    Args:
        tokenizer: From ``open_clip.get_tokenizer``.

    Raises:
        ValueError: If it is of an unknown kind.
    """
    if hasattr(tokenizer, "sot_token_id"):  # CLIP's own pairs of bytes
        start, end = tokenizer.sot_token_id, tokenizer.eot_token_id
        return Tokenizer(lambda phrase: [start, *tokenizer.encode(phrase), end], True, 0)
    plain = not (
        getattr(tokenizer, "tokenizer_mode", "") or getattr(tokenizer, "strip_sep_token", "")
    )
    if hasattr(tokenizer, "clean_fn") and plain:  # of transformers
        inner = tokenizer.tokenizer

        def encode(phrase: str) -> list[int]:
            found: list[int] = inner(tokenizer.clean_fn(phrase)).input_ids
            return found

        begins = inner.bos_token_id is not None and encode("a")[0] == inner.bos_token_id
        return Tokenizer(encode, begins, inner.pad_token_id)
    raise ValueError(
        f"expected a tokenizer of CLIP or one of transformers, got {type(tokenizer).__name__}; {ADVICE}"
    )


class OpenClipViT(PlainViT):
    """open_clip's own vision transformer: a class token, a normalisation before the blocks and one after.

    Args:
        visual: An ``open_clip.transformer.VisionTransformer``.

    Raises:
        ValueError: If it pools otherwise than by its class token.
    """

    prefix = 1

    def __init__(self, visual: nn.Module) -> None:
        super().__init__()
        inner: Any = visual
        if inner.pool_type != "tok" or inner.attn_pool is not None or inner.proj is None:
            raise ValueError(
                f"expected a vision transformer of open_clip read at its class token, got one pooled by "
                f"{'attention' if inner.attn_pool is not None else inner.pool_type!r}; {ADVICE}"
            )
        self.vit = visual.requires_grad_(False)
        self.width = self.channels = inner.conv1.out_channels
        self.patch, self.depth = inner.conv1.kernel_size[0], len(inner.transformer.resblocks)
        self.eval()

    def embed(self, images: Images) -> Tokens:
        """Embed patches, put the class token in front, add positions, normalise."""
        vit: Any = self.vit
        tokens = vit.conv1(images)
        table = self._positions(*tokens.shape[2:])
        tokens = rearrange(tokens, "b c h w -> b (h w) c")
        first = vit.class_embedding.expand(len(tokens), 1, -1)
        out: Tensor = vit.ln_pre(torch.cat([first, tokens], dim=1) + table)
        return out

    def block(self, number: int, tokens: Tokens, grid: Grid) -> Tokens:
        """Run one block."""
        del grid
        vit: Any = self.vit
        out: Tensor = vit.transformer.resblocks[number](tokens)
        return out

    def final(self, tokens: Tokens, grid: Grid) -> Float[Tensor, "batch channels height width"]:
        """Normalise, and leave the class token out."""
        vit: Any = self.vit
        return rearrange(vit.ln_post(tokens)[:, 1:], "b (h w) c -> b c h w", h=grid[0], w=grid[1])

    def _positions(self, height: int, width: int) -> Float[Tensor, "token width"]:
        """Return the position table, resized to the grid as open_clip resizes that of a file."""
        vit: Any = self.vit
        table: Tensor = vit.positional_embedding
        rows, columns = vit.grid_size
        if (rows, columns) == (height, width):
            return table
        patches = rearrange(table[1:], "(h w) c -> 1 c h w", h=rows)
        patches = F.interpolate(patches, (height, width), mode="bicubic", antialias=True)
        return torch.cat([table[:1], rearrange(patches, "1 c h w -> (h w) c")])


class OpenClipText(TextEncoder):
    """A text transformer of open_clip, CLIP's or SigLIP's.

    Args:
        model: An ``open_clip.CLIP``, whose text side is spread over its attributes, or a ``CustomTextCLIP``.
        tokenizer: Words to its numbers.

    Raises:
        ValueError: If it is read otherwise than at the end token or at the last place.
    """

    def __init__(self, model: nn.Module, tokenizer: Tokenizer) -> None:
        super().__init__()
        spread = getattr(model, "text", None) is None
        inner: Any = model if spread else model.text
        pool = getattr(inner, "text_pool_type" if spread else "pool_type", type(inner).__name__)
        mask = getattr(inner, "attn_mask", None)
        # read at the end token with the past in sight, or at the last place with everything in sight
        self.filled = pool == "last"
        if (
            not ((pool in ("argmax", "eos") and mask is not None) or (self.filled and mask is None))
            or getattr(inner, "cls_emb", None) is not None
            or getattr(inner, "use_pad_mask", False)
        ):
            raise ValueError(
                f"expected a text side read at its end token or its last place, got one read by {pool!r}; {ADVICE}"
            )
        self.tokenizer = tokenizer
        self.context = int(inner.context_length)
        self.embedding: nn.Embedding = inner.token_embedding.requires_grad_(False)
        self.blocks: nn.ModuleList = inner.transformer.resblocks.requires_grad_(False)
        self.norm: nn.Module = inner.ln_final.requires_grad_(False)
        self.positions: Tensor = inner.positional_embedding.requires_grad_(False)
        self.projection: nn.Module | Tensor | None = inner.text_projection
        if self.projection is not None:
            self.projection.requires_grad_(False)
        self.mask: Tensor | None
        self.register_buffer("mask", mask, persistent=False)
        self.width = self.joint = self.embedding.embedding_dim
        if isinstance(self.projection, nn.Linear):
            self.joint = self.projection.out_features
        elif isinstance(self.projection, Tensor):
            self.joint = self.projection.shape[1]
        self.eval()

    def tokens(self, phrases: Sequence[str]) -> TextTokens:
        """Turn phrases into vectors, without positions: those depend on the prompts before them."""
        if isinstance(phrases, str) or not phrases:
            raise ValueError(f"expected a list of phrases, got {phrases!r}")
        rows = [self.tokenizer.encode(phrase) for phrase in phrases]
        least = 1 + self.tokenizer.start  # the end token, perhaps one at the start
        for phrase, row in zip(phrases, rows, strict=True):
            if len(row) <= least:
                raise ValueError(f"the phrase {phrase!r} has no word; write one")
            self._fits(phrase, len(row), 0)
        longest = max(map(len, rows))
        device = self.embedding.weight.device
        numbers = torch.full((len(rows), longest), self.tokenizer.fill, device=device)
        there = torch.zeros(len(rows), longest, dtype=torch.bool, device=device)
        for index, row in enumerate(rows):
            numbers[index, : len(row)] = torch.tensor(row, device=device)
            there[index, : len(row)] = True
        return TextTokens(self.embedding(numbers), there)

    def encode(
        self, tokens: TextTokens, prompts: Float[Tensor, "prompt width"] | None = None
    ) -> Float[Tensor, "phrase joint"]:
        """Turn vectors into embeddings.

        Raises:
            ValueError: If phrases and prompts together are longer than the context, or prompts have another width.
        """
        vectors, there = tokens
        count = 0
        if prompts is not None:
            count = len(prompts)
            if prompts.ndim != 2 or prompts.shape[1] != self.width:
                raise ValueError(
                    f"expected prompts (prompts, {self.width}), got {tuple(prompts.shape)}"
                )
            start = int(self.tokenizer.start)
            inserted = prompts.to(vectors).expand(len(vectors), -1, -1)
            vectors = torch.cat([vectors[:, :start], inserted, vectors[:, start:]], dim=1)
        length = vectors.shape[1]
        self._fits("the longest phrase", length, count)
        if self.filled:
            number = torch.tensor(self.tokenizer.fill, device=vectors.device)
            rest = self.embedding(number).expand(len(vectors), self.context - length, -1)
            vectors, length = torch.cat([vectors, rest], dim=1), self.context
        mask = None if self.mask is None else self.mask[:length, :length]
        hidden = vectors + self.positions[:length]
        for block in self.blocks:
            hidden = block(hidden, attn_mask=mask)
        # all that follows treats every place by itself: only the one that is read goes through it
        last = there.sum(dim=1) + count - 1
        rows = torch.arange(len(hidden), device=hidden.device)
        out: Tensor = self.norm(hidden[:, -1] if self.filled else hidden[rows, last])
        if isinstance(self.projection, nn.Module):
            out = self.projection(out)
        elif self.projection is not None:
            out = out @ self.projection
        return out

    def _fits(self, phrase: str, length: int, prompts: int) -> None:
        """Refuse what would have to be cut."""
        if length > self.context:
            words = phrase if prompts else repr(phrase)
            beside = f" with {prompts} prompts" if prompts else ""
            raise ValueError(
                f"{words} has {length} tokens{beside}, start and end included, but this text encoder reads at most "
                f"{self.context}; take fewer words{' or prompts' if prompts else ''}"
            )


class OpenClipPair(VisionLanguage):
    """A model of open_clip behind the interface of a vision-language pair.

    Args:
        model: From ``open_clip.create_model``; it is frozen.
        tokenizer: From ``open_clip.get_tokenizer`` for the same name.
        mean: What it wants subtracted from images in [0, 1].
        std: What they are divided by then.

    Raises:
        ValueError: If the model is built otherwise than CLIP, EVA02-CLIP and SigLIP are.
    """

    def __init__(
        self,
        model: nn.Module,
        tokenizer: Any,
        mean: Sequence[float],
        std: Sequence[float],
    ) -> None:
        super().__init__()
        inner: Any = model
        if not hasattr(inner, "visual") or not hasattr(inner, "logit_scale"):
            raise ValueError(f"expected a model of open_clip, got a {type(model).__name__}")
        if hasattr(inner.visual, "conv1") and hasattr(inner.visual, "transformer"):
            self.image: PlainViT = OpenClipViT(inner.visual)
        else:
            self.image = plain_vit(_trunk(inner.visual))
            self.head: nn.Module = inner.visual.head.requires_grad_(False)
        self.image._keep(mean, std)
        self.text = OpenClipText(model, open_clip_tokenizer(tokenizer))
        self.joint = self.text.joint
        bias = inner.logit_bias
        self.form = "softmax" if bias is None else "sigmoid"
        self.scale = float(inner.logit_scale.detach().exp())
        self.shift = 0.0 if bias is None else float(bias.detach())
        self.eval()

    def train(self, mode: bool = True) -> OpenClipPair:
        """Stay in evaluation mode, norm and head included."""
        del mode
        return super().train(False)

    def visual(
        self, tokens: Float[Tensor, "batch token width"], grid: Grid
    ) -> Float[Tensor, "batch one_and_patches joint"]:
        """Project the last tokens into the joint space; see above what a patch's embedding is."""
        del grid
        vit: Any = self.image.vit
        out: Tensor
        if isinstance(self.image, OpenClipViT):
            out = vit.ln_post(tokens) @ vit.proj
            return out
        tokens = vit.norm(tokens)
        if vit.attn_pool is not None:
            alone = vit.attn_pool(rearrange(tokens, "b n c -> (b n) 1 c"))
            patches = rearrange(alone, "(b n) c -> b n c", b=len(tokens))
            tokens = torch.cat([vit.attn_pool(tokens)[:, None], patches], dim=1)
        else:  # register tokens stand between the class token and the patches
            tokens = torch.cat([tokens[:, :1], tokens[:, self.image.prefix :]], dim=1)
        out = self.head(vit.head(vit.fc_norm(tokens)))
        return out


def _trunk(visual: Any) -> Any:
    """Return timm's network within the image side, or say why its patches have no place in the joint space."""
    trunk = getattr(visual, "trunk", None)
    pool = getattr(trunk, "global_pool", None)
    pools: Any = getattr(trunk, "attn_pool", None)
    if (
        trunk is None
        or not hasattr(trunk, "blocks")
        or not ((pool == "token" and pools is None and trunk.num_prefix_tokens) or pool == "map")
        or (pool == "map" and (trunk.num_prefix_tokens or pools.pos_embed is not None))
    ):
        raise ValueError(
            f"expected an image side that is a vision transformer read at its class token or by attention, got "
            f"{type(visual if trunk is None else trunk).__name__} pooled by {pool!r}; {ADVICE}"
        )
    return trunk
