r"""The selective scan by PyTorch's operations, on any device and in any precision, segment by segment.

A loop over all tokens starts a small operation for each, which costs a processor little and a GPU, that could do
thousands at once, nearly everything. There a segment is cut into chunks that run side by side from a state of zero;
then the states at the ends of the chunks are chained, and what enters a chunk is added to its tokens by the product
of the decays since its beginning::

    tokens     0 1 2 3 | 4 5 6 7 | 8 9 10 11      three chunks of four: four steps instead of twelve
    from zero  → → → →   → → → →   → → →  →
    chained          └──────→└──────→              h_t += (a_4 ⋯ a_t) h_3 for t in the second chunk

For the gradient the states of a segment are computed again from the state at its beginning, so that memory grows by
one state per segment and not per token. The gradient itself is the same recurrence from behind:
:math:`g_t = C_t\bar y_t + a_{t+1} g_{t+1}`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from itertools import pairwise
from typing import Any

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

CHUNK = 16
"""Tokens of a chunk, where chunks run side by side."""
NUMBERS = 2**20
"""Numbers in one array of a segment, about."""

Chunked = Float[Tensor, "step batch chunk channel state"]
State = Float[Tensor, "batch channel state"]


def segments(length: int, states: int) -> Iterator[slice]:
    """Yield the segments of a sequence.

    Args:
        length: Number of tokens.
        states: States of one token, all channels and samples together.

    Example:
        >>> list(segments(40, 2**16))
        [slice(0, 16, None), slice(16, 32, None), slice(32, 40, None)]
    """
    size = CHUNK * max(1, NUMBERS // (CHUNK * max(1, states)))
    for first in range(0, length, size):
        yield slice(first, min(first + size, length))


def cut(x: Float[Tensor, "batch channel length"]) -> Float[Tensor, "step batch chunk channel"]:
    """Cut sequences into chunks, filled up with zeros: with a step size of zero nothing happens.

    Args:
        x: The sequences; on the CPU they stay one chunk.
    """
    size = x.shape[-1] if x.device.type == "cpu" else CHUNK
    x = F.pad(x, (0, -x.shape[-1] % size))
    return rearrange(x, "b d (c t) -> t b c d", t=size).contiguous()


def join(
    x: Float[Tensor, "step batch chunk channel"], length: int
) -> Float[Tensor, "batch channel length"]:
    """Put chunks together again.

    Args:
        x: The chunks.
        length: Number of tokens without what was filled up.
    """
    return rearrange(x, "t b c d -> b d (c t)")[..., :length]


def states_of(decay: Chunked, h: Chunked, start: State) -> tuple[Chunked, State]:
    """Run the recurrence on all chunks of a segment.

    Args:
        decay: Decays.
        h: What every token adds; overwritten by the states.
        start: The state before the segment.

    Returns:
        The states and the one after the segment.
    """
    side_by_side = h.shape[2] > 1
    if not side_by_side:
        h[0, :, 0].addcmul_(decay[0, :, 0], start)
    for (before, now), factor in zip(pairwise(h.unbind()), decay.unbind()[1:], strict=True):
        now.addcmul_(factor, before)
    if not side_by_side:
        return h, h[-1, :, 0]
    product = decay.cumprod(dim=0)
    entering = []
    for end, whole in zip(h[-1].unbind(1), product[-1].unbind(1), strict=True):
        entering.append(start)
        start = torch.addcmul(end, whole, start)
    h.addcmul_(product, torch.stack(entering, dim=1))
    return h, start


def full_precision(device: torch.device) -> AbstractContextManager[Any]:
    """Return a context without mixed precision; a device without it, such as ``meta``, needs none.

    Args:
        device: Where the tensors are.
    """
    if not torch.amp.is_autocast_available(device.type):
        return nullcontext()
    return torch.autocast(device.type, enabled=False)


class SegmentedScan(torch.autograd.Function):
    """Scan; kept for the gradient are the inputs and one state per segment."""

    @staticmethod
    def forward(
        ctx: Any,
        u: Float[Tensor, "batch channel length"],
        delta: Float[Tensor, "batch channel length"],
        A: Float[Tensor, "channel state"],
        B: Float[Tensor, "batch state length"],
        C: Float[Tensor, "batch state length"],
    ) -> tuple[Tensor, Tensor]:
        """Return the output and the last state."""
        state = u.new_zeros(*u.shape[:2], A.shape[1])
        starts, y = [], torch.empty_like(u)
        for part in segments(u.shape[-1], state.numel()):
            starts.append(state)
            steps, values, takes, reads = (cut(x[..., part]) for x in (delta, u, B, C))
            decay = torch.exp(steps[..., None] * A)
            h, state = states_of(decay, (steps * values)[..., None] * takes[..., None, :], state)
            out = (h @ reads[..., None])[..., 0]
            y[..., part] = join(out, part.stop - part.start)
        ctx.save_for_backward(u, delta, A, B, C, *starts)
        ctx.mark_non_differentiable(state)
        return y, state

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy: Tensor, _last: Any) -> tuple[Tensor, ...]:
        """Return the gradients of all inputs."""
        # a backward pass may be run within autocast, which would round the matrix products below
        with full_precision(dy.device):
            return SegmentedScan._gradients(ctx.saved_tensors, dy)

    @staticmethod
    def _gradients(saved: tuple[Tensor, ...], dy: Tensor) -> tuple[Tensor, ...]:
        u, delta, A, B, C, *starts = saved
        du, ddelta, dB, dC = (torch.empty_like(x) for x in (u, delta, B, C))
        dA, later = torch.zeros_like(A), torch.zeros_like(starts[0])
        parts = list(segments(u.shape[-1], later.numel()))
        for part, start in zip(reversed(parts), reversed(starts), strict=True):
            steps, values, takes, reads, outer = (cut(x[..., part]) for x in (delta, u, B, C, dy))
            decay = torch.exp(steps[..., None] * A)
            h, _ = states_of(decay, (steps * values)[..., None] * takes[..., None, :], start)
            g, earlier = _from_behind(decay, outer[..., None] * reads[..., None, :], later)
            of_read = (outer[..., None, :] @ h)[..., 0, :]
            # the state before each token, in place: later steps are read before they are overwritten
            before = torch.cat([start[:, None], h[-1, :, :-1]], dim=1)
            previous = torch.cat([before[None], h[:-1]])
            of_exponent = previous.mul_(g).mul_(decay)
            by_input = (g @ takes[..., None])[..., 0]
            dA += (of_exponent * steps[..., None]).sum(dim=(0, 1, 2))
            length = part.stop - part.start
            of_step = by_input * values + (of_exponent * A).sum(dim=-1)
            du[..., part] = join(by_input * steps, length)
            ddelta[..., part] = join(of_step, length)
            dB[..., part] = join(((steps * values)[..., None, :] @ g)[..., 0, :], length)
            dC[..., part] = join(of_read, length)
            later = earlier
        return du, ddelta, dA, dB, dC


def _from_behind(decay: Chunked, g: Chunked, later: State) -> tuple[Chunked, State]:
    """Run the recurrence from the last token to the first.

    Args:
        decay: Decays.
        g: What every token adds; overwritten.
        later: What comes from behind the segment, decayed.

    Returns:
        The gradients of the states, and what goes on to the segment before.
    """
    side_by_side = g.shape[2] > 1
    if not side_by_side:
        g[-1, :, 0].add_(later)
    for (behind, now), factor in zip(
        pairwise(g.unbind()[::-1]), decay.unbind()[:0:-1], strict=True
    ):
        now.addcmul_(factor, behind)
    if not side_by_side:
        return g, decay[0, :, 0] * g[0, :, 0]
    product = torch.ones_like(decay)
    product[:-1] = decay[1:].flip(0).cumprod(dim=0).flip(0)
    entering = []
    first, whole = (decay[0] * g[0]).unbind(1), (decay[0] * product[0]).unbind(1)
    for own, passed in zip(reversed(first), reversed(whole), strict=True):
        entering.append(later)
        later = torch.addcmul(own, passed, later)
    g.addcmul_(product, torch.stack(entering[::-1], dim=1))
    return g, later
