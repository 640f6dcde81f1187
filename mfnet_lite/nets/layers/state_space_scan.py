r"""The selective scan of Mamba (S6): a linear recurrence whose decay and input depend on the token.

Gu and Dao, "Mamba: Linear-Time Sequence Modeling with Selective State Spaces", arXiv 2312.00752, section 3. Every
channel d has N states; with the step :math:`\Delta_t > 0` of the token,

.. math::
    h_t = e^{\Delta_t A} h_{t-1} + \Delta_t B_t u_t, \qquad y_t = C_t^\top h_t + D u_t,

from :math:`h_{-1} = 0`. A is negative, so every decay lies in (0, 1] and nothing here divides by products of decays,
which underflow after some hundred tokens.

Three ways to compute it, one interface: :func:`selective_scan` takes the fastest that is at hand, a compiled loop
on the CPU (:mod:`~mfnet_lite.nets.layers.scan_compiled`), the kernel of the package ``mamba_ssm`` on a GPU, else
PyTorch's operations on segments (:mod:`~mfnet_lite.nets.layers.scan_segments`). :func:`selective_scan_steps` is the
recurrence as it stands above, for reading.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Literal, get_args, overload

import torch
from jaxtyping import Float
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor
from torch.nn import functional as F

from mfnet_lite.nets.layers.scan_compiled import CompiledScan, kernel
from mfnet_lite.nets.layers.scan_segments import SegmentedScan, full_precision

Backend = Literal["auto", "compiled", "mamba_ssm", "segments", "steps"]

Sequence = Float[Tensor, "batch channel length"]
PerState = Float[Tensor, "batch state length"]
States = Float[Tensor, "batch channel state"]


@overload
def selective_scan(
    u: Sequence, delta: Sequence, A: Tensor, B: PerState, C: PerState, D: Tensor | None = ...,
    delta_bias: Tensor | None = ..., delta_softplus: bool = ...,
    return_last_state: Literal[False] = ..., backend: Backend = ...,
) -> Sequence: ...  # fmt: skip


@overload
def selective_scan(
    u: Sequence, delta: Sequence, A: Tensor, B: PerState, C: PerState, D: Tensor | None = ...,
    delta_bias: Tensor | None = ..., delta_softplus: bool = ...,
    return_last_state: Literal[True] = ..., backend: Backend = ...,
) -> tuple[Sequence, States]: ...  # fmt: skip


def selective_scan(
    u: Sequence,
    delta: Sequence,
    A: Float[Tensor, "channel state"],
    B: PerState,
    C: PerState,
    D: Float[Tensor, " channel"] | None = None,
    delta_bias: Float[Tensor, " channel"] | None = None,
    delta_softplus: bool = False,
    return_last_state: bool = False,
    backend: Backend = "auto",
) -> Sequence | tuple[Sequence, States]:
    """Scan sequences, with gradients for all inputs.

    Time grows linearly with the length, memory as well: what is kept for the gradient are the inputs. Mixed
    precision does not reach in here: half-precision inputs are scanned in single precision and only the result
    is rounded.

    Args:
        u: The sequences.
        delta: Step sizes, positive; before the bias and softplus if these are asked for.
        A: Rates of decay, negative.
        B: How each state takes the input in.
        C: How each state is read.
        D: Weight of the input in the output, past the states.
        delta_bias: Added to ``delta``.
        delta_softplus: Pass ``delta`` through softplus, after the bias.
        return_last_state: Return the state after the last token as well; gradients do not pass through it.
        backend: ``"auto"`` for the fastest at hand, or one by name.

    Returns:
        The output, in the number format of ``u``; with ``return_last_state`` also the last state.

    Raises:
        ValueError: If shapes do not fit, the backend is unknown or cannot take these tensors.

    Example:
        >>> u, delta = torch.ones(1, 1, 3), torch.ones(1, 1, 3)
        >>> half = -torch.log(torch.tensor([[2.0]]))  # the state halves with every token
        >>> selective_scan(u, delta, half, torch.ones(1, 1, 3), torch.ones(1, 1, 3))
        tensor([[[1.0000, 1.5000, 1.7500]]])
    """
    if backend not in get_args(Backend):
        raise ValueError(f"unknown backend {backend!r}; available: {', '.join(get_args(Backend))}")
    _check(u, delta, A, B, C, D, delta_bias)
    if backend == "auto":
        backend = _fastest(u)
    dtype = u.dtype
    with full_precision(u.device):
        # the recurrence multiplies many decays: half precision would lose them
        wide = torch.float64 if dtype == torch.float64 else torch.float32
        u, delta, A, B, C = (x.to(wide) for x in (u, delta, A, B, C))
        D, delta_bias = (None if x is None else x.to(wide) for x in (D, delta_bias))
        if backend == "mamba_ssm":
            y, last = _mamba_ssm(u)(
                u, delta, A, B, C, D, None, delta_bias, delta_softplus, return_last_state=True
            )
        else:
            if delta_bias is not None:
                delta = delta + delta_bias[:, None]
            if delta_softplus:
                delta = F.softplus(delta)
            if backend == "steps":
                y, last = selective_scan_steps(u, delta, A, B, C)
            elif backend == "compiled":
                _check_compiled(u)
                y, last = CompiledScan.apply(u, delta, A, B, C)
            else:
                y, last = SegmentedScan.apply(u, delta, A, B, C)
            if D is not None:
                y = y + D[:, None] * u
    y = y.to(dtype)
    return (y, last.detach()) if return_last_state else y


def selective_scan_steps(
    u: Sequence, delta: Sequence, A: Float[Tensor, "channel state"], B: PerState, C: PerState
) -> tuple[Sequence, States]:
    """Scan token by token, as the equation says, for reading and for checks.

    Args:
        u: The sequences.
        delta: Step sizes, positive.
        A: Rates of decay, negative.
        B: How each state takes the input in.
        C: How each state is read.

    Returns:
        The output without the way past the states, and the last state.
    """
    h = u.new_zeros(*u.shape[:2], A.shape[1])
    outputs = []
    # unbind, and not u[..., t]: the gradient of an index is a tensor of the whole length, at every step
    for u_t, delta_t, B_t, C_t in zip(*(x.unbind(-1) for x in (u, delta, B, C)), strict=True):
        decay = torch.exp(delta_t[..., None] * A)
        h = decay * h + (delta_t * u_t)[..., None] * B_t[:, None]
        outputs.append((h * C_t[:, None]).sum(dim=-1))
    return torch.stack(outputs, dim=-1), h


def _check(
    u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, *optional: Tensor | None
) -> None:
    """Compare shapes and number formats."""
    if u.ndim != 3 or A.ndim != 2:
        raise ValueError(
            f"expected u of shape (batch, channel, length) and A of shape (channel, state), got "
            f"{tuple(u.shape)} and {tuple(A.shape)}"
        )
    batch, channels, length = u.shape
    per_state, names = (batch, A.shape[1], length), ("D", "delta_bias")
    expected: list[tuple[str, Tensor, tuple[int, ...]]] = [
        ("delta", delta, (batch, channels, length)), ("A", A, (channels, A.shape[1])),
        ("B", B, per_state), ("C", C, per_state),
        *((n, x, (channels,)) for n, x in zip(names, optional, strict=True) if x is not None),
    ]  # fmt: skip
    for name, x, shape in expected:
        if tuple(x.shape) != shape:
            raise ValueError(
                f"expected {name} of shape {shape} for u of shape {tuple(u.shape)} and "
                f"{A.shape[1]} states, got {tuple(x.shape)}"
            )
        if not x.is_floating_point() or not u.is_floating_point():
            raise ValueError(f"expected real numbers, got u of {u.dtype} and {name} of {x.dtype}")
        if x.device != u.device:
            raise ValueError(f"expected {name} on {u.device} like u, got {x.device}")
    if 0 in (length, A.shape[1]):
        raise ValueError(
            f"expected at least one token and one state, got {length} and {A.shape[1]}"
        )


def _fastest(u: Tensor) -> Backend:
    """Choose for these tensors."""
    plain = u.device.type == "cpu" and u.dtype != torch.float64 and not _is_fake(u)
    if plain and kernel() is not None:
        return "compiled"
    if u.device.type == "cuda" and u.dtype != torch.float64 and _imported() is not None:
        return "mamba_ssm"
    return "segments"


def _is_fake(x: Tensor) -> bool:
    """Whether a tensor has a shape only, as when a network is exported; the compiled loop reads memory."""
    return isinstance(x, FakeTensor)


def _check_compiled(u: Tensor) -> None:
    if _is_fake(u) or u.device.type != "cpu" or u.dtype != torch.float32 or kernel() is None:
        why = (
            "no C++ compiler was found, or it failed"
            if kernel() is None
            else f"got {type(u).__name__} of {u.dtype} on {u.device}"
        )
        raise ValueError(
            f"the compiled scan takes single precision on the CPU and needs a compiler: {why}; "
            "backend='segments' runs everywhere"
        )


@cache
def _imported() -> Any:
    """The scan of ``mamba_ssm``, or None: it is built for CUDA and ROCm, and only there it imports."""
    try:
        from mamba_ssm.ops.selective_scan_interface import selective_scan_fn
    except Exception:
        return None
    return selective_scan_fn


def _mamba_ssm(u: Tensor) -> Any:
    found = _imported()
    if found is None or u.device.type != "cuda":
        raise ValueError(
            "backend 'mamba_ssm' needs that package, built for this GPU, and tensors on it; got "
            f"{u.device}, and the package does {'not ' if found is None else ''}import; "
            "backend='segments' runs everywhere"
        )
    return found
