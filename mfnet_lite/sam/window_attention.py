r"""SAM's window attention on real tokens only, with the padding it would have seen.

A 16 × 16 grid cut into windows of 14 is padded to 28 × 28: SAM computes 784 tokens for 256 real ones. Its
padding is not masked. A padded token is zero, so its key and value are the projection's bias, and real
queries attend to it. Leaving padding out would therefore change SAM; computing it is waste.

All padded keys of a window share one key :math:`k_0` and one value :math:`v_0` and differ by relative
position alone, so for a query q they act as a single key with the logit

.. math:: \ell_0 = \frac{q\cdot k_0}{\sqrt d} + \log\sum_{(y,x)\,\mathrm{padded}} e^{\,r_h(y) + r_w(x)} .

The sum runs over an L of rows and columns, that is over two rectangles, and over a rectangle it
factorises into (sum over rows) · (sum over columns). One extra key per window, exactly.
"""

from __future__ import annotations

import torch
from einops import einsum, rearrange
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import handle_torch_function, has_torch_function

from mfnet_lite.sam.attention import attend_long, grid_codes

__all__: list[str] = []  # what encoders share; not part of the interface

Table = Float[Tensor, "query key dim"]


def window_attention(
    qkv: Float[Tensor, "batch height width tokens"],
    padding: Float[Tensor, " tokens"] | None,
    heads: int,
    window: int,
    tables: tuple[Table, Table] | None,
    scale: float,
) -> Float[Tensor, "batch height width channels"]:
    """Attend within windows of a grid of any size, without computing padded tokens.

    A ``TorchFunctionMode`` may exchange this function as it may exchange PyTorch's own.

    Args:
        qkv: Projected tokens, query, key and value one after the other (3 · channels).
        padding: What the projection makes of a padded token: its bias; None for zeros.
        heads: Attention heads.
        window: Side of a window; 0 attends to the whole grid.
        tables: Relative positions of both axes, each (side, side, channels / heads) for the side of a
            window, or of the whole grid (height and width) if there are no windows.
        scale: Factor of q·k.

    Returns:
        The attended values, before the output projection.
    """
    if has_torch_function((qkv,)):
        arguments = (qkv, padding, heads, window, tables, scale)
        return handle_torch_function(window_attention, (qkv,), *arguments)
    return attend_windows(qkv, padding, heads, window, tables, scale)


def attend_windows(
    qkv: Float[Tensor, "batch height width tokens"],
    padding: Float[Tensor, " tokens"] | None,
    heads: int,
    window: int,
    tables: tuple[Table, Table] | None,
    scale: float,
) -> Float[Tensor, "batch height width channels"]:
    """Attend as :func:`window_attention`, which nothing can exchange; the arguments are the same."""
    height, width = qkv.shape[1:3]
    if window == 0 or (window == height == width):
        return _attend(qkv, padding, heads, (1, 1), (height, width), tables, scale)
    out = qkv.new_empty(*qkv.shape[:3], qkv.shape[-1] // 3)
    # Up to four blocks: whole windows, the cut ones at the right, those at the bottom, and the corner. Within a block
    # all windows have one shape and run as one batch.
    blocks = [(rows, columns) for rows in _runs(height, window) for columns in _runs(width, window)]
    whole = len(blocks) == 1  # the windows tile the grid: no need for a second buffer
    for (top, bottom), (left, right) in blocks:
        part = (slice(None), slice(top, bottom), slice(left, right))
        counts = max(1, (bottom - top) // window), max(1, (right - left) // window)
        done = _attend(qkv[part], padding, heads, counts, (window, window), tables, scale)
        if whole:
            return done
        out[part] = done
    return out


def _runs(length: int, window: int) -> list[tuple[int, int]]:
    """Cut an axis into its whole windows and the rest."""
    full = length // window * window
    return [run for run in ((0, full), (full, length)) if run[0] < run[1]]


def _attend(
    qkv: Tensor,
    padding: Tensor | None,
    heads: int,
    counts: tuple[int, int],
    sides: tuple[int, int],
    tables: tuple[Table, Table] | None,
    scale: float,
) -> Tensor:
    """Attend in windows of one shape; ``sides`` is what they would measure with their padding."""
    # Windows move to the batch axis, so that attention is that of one small grid; what remains of a window at the
    # border is a smaller grid of real tokens, and only its padding needs care.
    q, k, v = rearrange(
        qkv,
        "b (ny y) (nx x) (three n d) -> three (b ny nx) n (y x) d",
        ny=counts[0],
        nx=counts[1],
        three=3,
        n=heads,
    )
    rows, columns = qkv.shape[1] // counts[0], qkv.shape[2] // counts[1]
    if (rows, columns) == sides:
        out = attend_grid(q, k, v, tables, scale)
    else:
        out = _attend_padded(qkv, q, k, v, padding, (rows, columns), sides, tables, scale)
    return rearrange(
        out,
        "(b ny nx) n (y x) d -> b (ny y) (nx x) (n d)",
        ny=counts[0],
        nx=counts[1],
        y=rows,
    )


def attend_grid(
    q: Float[Tensor, "batch heads tokens dim"],
    k: Float[Tensor, "batch heads tokens dim"],
    v: Float[Tensor, "batch heads tokens dim"],
    tables: tuple[Table, Table] | None,
    scale: float,
) -> Float[Tensor, "batch heads tokens dim"]:
    """Attend on whole grids of tokens in row-major order.

    A ``TorchFunctionMode`` may exchange this function as it may exchange PyTorch's own.

    Args:
        q: Queries.
        k: Keys.
        v: Values.
        tables: Relative positions of rows and of columns; None for none.
        scale: Factor of q·k.
    """
    if has_torch_function((q, k, v)):
        return handle_torch_function(attend_grid, (q, k, v), q, k, v, tables, scale)
    scaled = q if scale == 1 else q * scale
    if tables is None:
        return attend_long(scaled, k, v)
    # As in sam.attention: the sum of three products is one product of longer vectors.
    codes = grid_codes(len(tables[0]), len(tables[1]), k)
    long_q = torch.cat([scaled, *_sides(q, tables)], dim=-1)
    return attend_long(long_q, torch.cat([k, codes.expand(*k.shape[:2], -1, -1)], dim=-1), v)


def _sides(q: Tensor, tables: tuple[Table, Table]) -> list[Tensor]:
    """Compute the logit of every query against every key row, and against every key column."""
    grid = rearrange(q, "b n (y x) d -> b n y x d", y=len(tables[0]))
    side_h = einsum(grid, tables[0], "b n y x d, y key d -> b n y x key")
    side_w = einsum(grid, tables[1], "b n y x d, x key d -> b n y x key")
    return [rearrange(t, "b n y x key -> b n (y x) key") for t in (side_h, side_w)]


def _attend_padded(
    qkv: Tensor,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    padding: Tensor | None,
    real: tuple[int, int],
    sides: tuple[int, int],
    tables: tuple[Table, Table] | None,
    scale: float,
) -> Tensor:
    """Attend in windows of which only ``real`` rows and columns are tokens."""
    rows, columns = real
    heads = q.shape[1]
    # Queries and keys get longer by what the logits add to q·k: first the relative positions of real keys ...
    extra_q: list[Tensor] = []
    extra_k: list[Tensor] = []
    side_h = side_w = None
    if tables is not None:
        side_h, side_w = _sides(q, (tables[0][:rows], tables[1][:columns]))
        extra_q = [side_h[..., :rows], side_w[..., :columns]]
        extra_k = [grid_codes(rows, columns, k)]
    # ... then one channel for the key that stands for all padded ones. The query holds that key's logit there, ℓ₀ of
    # the module's docstring; real keys hold 0, the added key holds 1 and zeros in all other channels.
    bias = qkv.new_zeros(qkv.shape[-1]) if padding is None else padding.to(q.dtype)
    _, k0, v0 = rearrange(bias, "(three n d) -> three n 1 d", three=3, n=heads)
    logit = (q @ k0.mT) * scale
    amount = _log_padding(side_h, side_w, real, sides)
    extra_q.append(logit + amount.to(logit))
    extra_k = [F.pad(code, (0, 0, 0, 1)) for code in extra_k]
    extra_k.append(F.pad(k.new_ones(1, 1), (0, 0, k.shape[2], 0)))
    k = torch.cat([k, torch.zeros_like(k0).expand(len(k), -1, -1, -1)], dim=2)
    v = torch.cat([v, v0.expand(len(v), -1, -1, -1)], dim=2)
    long_q = torch.cat([q if scale == 1 else q * scale, *extra_q], dim=-1)
    codes = torch.cat(extra_k, dim=-1)
    return attend_long(long_q, torch.cat([k, codes.expand(*k.shape[:2], -1, -1)], dim=-1), v)


def _log_padding(
    side_h: Tensor | None, side_w: Tensor | None, real: tuple[int, int], sides: tuple[int, int]
) -> Tensor:
    """Compute the logarithm of the summed weights of all padded positions, (…, query, 1)."""
    rows, columns = real
    if side_h is None or side_w is None:
        return torch.tensor(sides[0] * sides[1] - rows * columns, dtype=torch.float64).log()
    # Sums of exponentials want at least single precision.
    single = torch.promote_types(side_h.dtype, torch.float32)
    high, wide = side_h.to(single), side_w.to(single)
    parts = []
    if columns < sides[1]:  # beside the real rows
        parts.append(
            high[..., :rows].logsumexp(-1, keepdim=True)
            + wide[..., columns:].logsumexp(-1, keepdim=True)
        )
    if rows < sides[0]:  # below them, over the full width
        parts.append(
            high[..., rows:].logsumexp(-1, keepdim=True) + wide.logsumexp(-1, keepdim=True)
        )
    return parts[0] if len(parts) == 1 else torch.logaddexp(*parts)
