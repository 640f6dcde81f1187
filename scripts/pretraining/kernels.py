"""Attention, gelu, layer norm and losses of the pre-training, each as one kernel where a C++ compiler is at hand.

The C++ files in this folder are compiled on the first use, which takes about a minute, and kept in PyTorch's folder for
extensions. Without a compiler, on a GPU, in single precision, and on a processor that does not multiply in bfloat16 the
same numbers come from PyTorch's operations.
"""

from __future__ import annotations

import hashlib
import math
import shutil
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from mfnet_lite.sam.mask_decoder import gelu_masks
from mfnet_lite.sam.window_attention import attend_grid, attend_windows, window_attention
from mfnet_lite.utils.number_formats import multiplies_bfloat16

MASKS = (4, 16)
"""Masks of a prompt and channels of each pixel, for which the kernel is written."""

TILED_CHANNELS, TILED_COLUMNS = 32, (8, 16, 32)
"""Channels of a head and columns of a window, for which the attention on matrix tiles is written."""

SOURCES = ("kernels.cpp", "attention.h", "products.h", "optimiser.h", "gelu.h", "tiles.h")

FLAGS = ["-O3", "-march=native", "-ffast-math", "-mprefer-vector-width=512"]


@cache
def kernels() -> Any:
    """The compiled kernels, or None where they cannot be compiled or oneDNN has no products in bfloat16 for them."""
    if not multiplies_bfloat16(torch.device("cpu")):
        return None
    if shutil.which("c++") is None or shutil.which("ninja") is None:
        return None
    from torch.utils.cpp_extension import load

    folder, content = Path(__file__).parent, hashlib.sha256(repr(FLAGS).encode())
    for name in SOURCES:
        content.update((folder / name).read_bytes())
    # Named after what they are: other versions keep theirs, and equal ones are not compiled again.
    name = f"pretraining_kernels_{content.hexdigest()[:12]}"
    try:
        return load(name, [str(folder / SOURCES[0])], extra_cflags=FLAGS)
    except (RuntimeError, OSError) as error:
        warnings.warn(f"{SOURCES[0]} was not compiled, training is slower: {error}", stacklevel=2)
        return None


def usable(*tensors: Tensor) -> bool:
    """Whether the kernels take these tensors."""
    half = all(t.device.type == "cpu" and t.dtype == torch.bfloat16 for t in tensors)
    return half and kernels() is not None


class FastKernels(TorchFunctionMode):
    """A context in which the functions below run as one kernel each, wherever they are called.

    These are PyTorch's linear maps, layer norm, softmax and gelu, and three functions of the library that
    ask for it: attention within windows and on a grid of tokens, and the masks of the decoder.
    """

    def __torch_function__(
        self, func: Callable, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        """Exchange some functions, pass on all others."""
        if func is F.linear and len(args) == 3 and args[2] is not None and usable(*args):
            return _Linear.apply(*args)
        if func is F.layer_norm:
            x, shape, weight, bias, eps = _layer_norm_arguments(*args, **(kwargs or {}))
            affine = weight is not None and bias is not None
            if affine and len(shape) == 1 and usable(x, weight, bias):
                return _LayerNorm.apply(x, weight, bias, eps)
        if func is F.gelu and usable(*args) and (kwargs or {}).get("approximate", "none") == "none":
            return _Gelu.apply(*args)
        if func is Tensor.softmax and kwargs and "dtype" not in kwargs and usable(args[0]):
            return _Softmax.apply(args[0], kwargs["dim"])
        if func is window_attention:
            sides = _tiled(*args)
            if sides is not None:
                qkv, _, heads, _, tables, _ = args
                return _WindowAttention.apply(qkv, all_distances(*tables), heads, *sides)
            with self:
                return attend_windows(*args)
        if func is attend_grid and usable(*args[:3]) and args[3] is not None and args[4] == 1:
            q, k, v, tables, _ = args
            return _GridAttention.apply(q, k, v, all_distances(*tables), *(len(t) for t in tables))
        if func is gelu_masks and usable(*args[:2]) and args[0].shape[2:] == MASKS:
            return _GeluMasks.apply(*args)
        return func(*args, **(kwargs or {}))


class _Linear(torch.autograd.Function):
    """A linear map whose bias is added inside the product (oneDNN), not in a walk of its own."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor, Tensor]:
        x, weight = ctx.saved_tensors
        flat, rows = grad.reshape(-1, grad.shape[-1]), x.reshape(-1, x.shape[-1])
        of_x = (flat @ weight).view(x.shape) if ctx.needs_input_grad[0] else None
        flat, rows = flat.contiguous(), rows.contiguous()
        tiled = kernels().tiles_usable()
        of_weight = kernels().product_atb(flat[None], rows[None])[0] if tiled else flat.mT @ rows
        return of_x, of_weight, kernels().row_sums(flat).to(grad.dtype)


def _layer_norm_arguments(
    input: Tensor,  # noqa: A002 - as F.layer_norm names it
    normalized_shape: tuple[int, ...],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> tuple[Tensor, tuple[int, ...], Tensor | None, Tensor | None, float]:
    return input, normalized_shape, weight, bias, eps


class _LayerNorm(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
        x = x.contiguous()
        out, stats = kernels().layer_norm(x, weight, bias, eps)
        ctx.save_for_backward(x, weight, stats)
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple:
        x, weight, stats = ctx.saved_tensors
        of_x, sums = kernels().layer_norm_backward(grad.contiguous(), x, weight, stats)
        sums = sums.to(weight.dtype)
        return of_x, sums[0], sums[1], None


class _Gelu(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        x = x.contiguous()
        ctx.save_for_backward(x)
        return kernels().gelu(x)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        return kernels().gelu_backward(grad.contiguous(), *ctx.saved_tensors)


class _Softmax(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, dim: int) -> Tensor:
        x, dim = x.contiguous(), dim % x.ndim
        ctx.sizes = x.shape[dim], math.prod(x.shape[dim + 1 :])
        shares = kernels().softmax(x, *ctx.sizes)
        ctx.save_for_backward(shares)
        return shares

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        (shares,) = ctx.saved_tensors
        return kernels().softmax_backward(grad.contiguous(), shares, *ctx.sizes), None


def all_distances(
    rows: Float[Tensor, "query_row key_row dim"],
    columns: Float[Tensor, "query_column key_column dim"],
) -> Float[Tensor, "distances dim"]:
    """Both tables of relative positions with every distance once, from -(side - 1) to side - 1."""
    return torch.cat([part for t in (rows, columns) for part in (t[0].flip(0), t[1:, 0])])


def _tiled(
    qkv: Tensor, _: Tensor | None, heads: int, window: int, tables: Any, scale: float
) -> tuple[int, int] | None:
    """Rows and columns of a window, if the kernel on matrix tiles takes these arguments."""
    height, width = qkv.shape[1:3]
    rows, columns = (window, window) if window else (height, width)
    fits = (
        tables is not None
        and scale == 1
        and qkv.shape[3] == 3 * heads * TILED_CHANNELS
        and height % rows == 0
        and width % columns == 0
        and columns in TILED_COLUMNS
        and rows * columns % 32 == 0
        and usable(qkv, *tables)
        and kernels().tiles_usable()
    )
    return (rows, columns) if fits else None


class _WindowAttention(torch.autograd.Function):
    """Attention within windows, from the projected tokens as they lie (``attention.h``)."""

    @staticmethod
    def forward(ctx: Any, qkv: Tensor, table: Tensor, *sizes: int) -> Tensor:
        qkv, table, ctx.sizes = qkv.contiguous(), table.contiguous(), sizes
        out, shares = kernels().grid_attention(qkv, table, *sizes)
        ctx.save_for_backward(qkv, table, shares)
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple:
        saved = ctx.saved_tensors
        of_qkv, of_table = kernels().grid_attention_backward(grad.contiguous(), *saved, *ctx.sizes)
        return of_qkv, of_table.to(grad.dtype), None, None, None


class _GridAttention(torch.autograd.Function):
    """Attention on a grid of tokens. Every query meets the table once, the kernel picks the distances."""

    @staticmethod
    def forward(
        ctx: Any, q: Tensor, k: Tensor, v: Tensor, table: Tensor, rows: int, columns: int
    ) -> Tensor:
        q, k, v = (x.contiguous() for x in (q, k, v))
        shares = q @ k.mT
        kernels().grid_softmax(shares, q.view(-1, q.shape[-1]) @ table.mT, rows, columns)
        ctx.save_for_backward(q, k, v, table, shares)
        ctx.sides = rows, columns
        return shares @ v

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple:
        q, k, v, table, shares = ctx.saved_tensors
        grad = grad.contiguous()
        of_logits = grad @ v.mT  # first that of the shares
        of_near = kernels().grid_softmax_backward(of_logits, shares, *ctx.sides)
        of_q = of_logits @ k
        of_q.view(-1, q.shape[-1]).addmm_(of_near, table)
        of_table = of_near.mT @ q.view(-1, q.shape[-1])
        return of_q, of_logits.mT @ q, shares.mT @ grad, of_table, None, None


class _GeluMasks(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, hyper: Tensor, x: Tensor, height: int) -> Tensor:
        ctx.shapes, ctx.height = (hyper.shape, x.shape), height
        hyper, x = hyper.flatten(0, 1).contiguous(), x.flatten(0, 1).contiguous()
        ctx.save_for_backward(hyper, x)
        return kernels().gelu_masks(hyper, x, height).unflatten(0, ctx.shapes[0][:2])

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple:
        hyper, x = ctx.saved_tensors
        grad = grad.flatten(0, 1).contiguous()
        of_hyper, of_x = kernels().gelu_masks_backward(grad, hyper, x, ctx.height)
        return of_hyper.view(ctx.shapes[0]), of_x.view(ctx.shapes[1]), None


def mask_losses(
    logits: Float[Tensor, "n prompts candidates y x"], truth: Bool[Tensor, "n prompts y x"]
) -> tuple[Float[Tensor, "n prompts candidates"], Float[Tensor, "n prompts candidates"]]:
    """Loss 20 focal + dice of every candidate, as ``mfnet_lite.losses.mask_loss``, and its IoU with the truth.

    Args:
        logits: Mask logits.
        truth: True masks at the same resolution.

    Returns:
        Losses with gradient, and the IoU of ``logits > 0``, where two empty masks count as 1.
    """
    pixels = logits.shape[-2] * logits.shape[-1]
    if usable(logits):
        sums = _MaskSums.apply(logits.flatten(0, 1).flatten(2), truth.flatten(0, 1).flatten(1))
    else:
        sums = _mask_sums(logits.flatten(0, 1).flatten(2).float(), truth.flatten(0, 1).flatten(1))
    sums = sums.unflatten(0, logits.shape[:2])
    focal, inside, total, both, found, area = sums.unbind(-1)
    dice = 1 - (2 * inside + 1) / (total + area + 1)
    either = found + area - both
    iou = torch.where(either > 0, both / either.clamp(min=1), 1.0)
    return 20 * focal / pixels + dice, iou.detach()


def _mask_sums(
    logits: Float[Tensor, "masks candidates pixels"], truth: Bool[Tensor, "masks pixels"]
) -> Float[Tensor, "masks candidates 6"]:
    """What the kernel of this name sums up."""
    inside = truth[:, None].expand_as(logits)
    away = torch.where(inside, -logits, logits)
    alpha = torch.where(inside, 0.25, 0.75)
    probability, found = logits.sigmoid(), (logits.detach() > 0).float()
    terms = (
        alpha * away.sigmoid().square() * F.softplus(away),
        probability * inside,
        probability,
        found * inside,
        found,
        inside.float(),
    )
    return torch.stack([term.sum(dim=-1) for term in terms], dim=-1)


class _MaskSums(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, logits: Tensor, truth: Tensor) -> Tensor:
        logits, truth = logits.contiguous(), truth.contiguous()
        ctx.save_for_backward(logits, truth)
        return kernels().mask_sums(logits, truth)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple:
        return kernels().mask_sums_backward(grad, *ctx.saved_tensors), None
