r"""MVFuser: a co-adapter in which the tokens of two frozen encoders read each other by a selective scan.

Zhang and Tan, "Mamba as a Bridge: Where Vision Foundation Models Meet Vision Language Models for Domain-Generalized
Semantic Segmentation", CVPR 2025, arXiv 2504.03193. After every block of two encoders their tokens are joined into one
sequence, the image encoder's first, and what comes out is added to both::

    [VFM tokens ; VLM tokens] ── W_in ─┬─ conv ─ SiLU ─ scan ─ RMSNorm ─┐
                                       └─ conv ─ SiLU ────── SiLU ──────×── W_out ── · s

The paper speaks of a sequential and a spatial branch; in the authors' code both convolve along the joint sequence.
"""

from __future__ import annotations

import math
from typing import Literal, get_args

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from mfnet_lite.nets.layers.state_space_scan import selective_scan

Direction = Literal["forward", "both"]

Tokens = Float[Tensor, "batch token channel"]

SHORTEST_STEP, LONGEST_STEP = 1e-3, 1e-1
"""Between them the step sizes start, evenly on a logarithmic scale."""
START = 1e-3
"""Scale of the output before training: nearly the frozen encoders alone."""


class MVFuser(nn.Module):
    """Let the tokens of a sequence read each other in linear time.

    Args:
        channels: Width d of the tokens, even.
        states: Number of states N of each channel.
        kernel: Tokens that a convolution sees, odd; it looks to both sides.
        dropout: Probability of a channel to be dropped before the last projection.
        direction: Scan the sequence ``"forward"``, where later tokens read earlier ones only, or in ``"both"``
            directions with the same weights, whose outputs are added.
        gate_twice: Pass the gate through SiLU after its convolution and once more where it multiplies, as the
            authors' code does; False for once.
        bias_twice: Add the bias of the step sizes twice, as the authors' code does by giving it to the projection
            and to the scan.
        official: The authors' values of ``direction``, ``gate_twice`` and ``bias_twice``, whatever these say.

    Shape:
        ``(batch, length, d)`` → ``(batch, length, d)``, to be added to the input by the caller.

    Raises:
        ValueError: If a number does not fit or ``direction`` is unknown.

    Example:
        >>> module = MVFuser(8, states=4)
        >>> module(torch.randn(1, 5, 8)).shape, sum(p.numel() for p in module.parameters())
        (torch.Size([1, 5, 8]), 189)
    """

    def __init__(
        self,
        channels: int,
        states: int = 16,
        kernel: int = 3,
        dropout: float = 0.1,
        direction: Direction = "forward",
        gate_twice: bool = True,
        bias_twice: bool = False,
        official: bool = False,
    ) -> None:
        super().__init__()
        if channels < 2 or channels % 2 or states < 1 or kernel < 1 or not kernel % 2:
            raise ValueError(
                "expected an even number of channels, at least one state and an odd kernel, got "
                f"channels={channels}, states={states}, kernel={kernel}"
            )
        if direction not in get_args(Direction):
            raise ValueError(
                f"unknown direction {direction!r}; available: {', '.join(get_args(Direction))}"
            )
        half, self.rank, self.states = channels // 2, math.ceil(channels / 16), states
        self.direction: Direction = "forward" if official else direction
        self.gate_twice, self.bias_twice = gate_twice or official, bias_twice or official
        self.w_in = nn.Linear(channels, channels, bias=False)
        self.conv_x = nn.Conv1d(half, half, kernel, padding="same", groups=half, bias=False)
        self.conv_z = nn.Conv1d(half, half, kernel, padding="same", groups=half, bias=False)
        self.w_x = nn.Linear(half, self.rank + 2 * states, bias=False)
        self.w_dt = nn.Linear(self.rank, half)
        self.a_log = nn.Parameter(torch.arange(1.0, states + 1).log().repeat(half, 1))
        self.d = nn.Parameter(torch.ones(half))
        self.norm = nn.RMSNorm(half, eps=1e-5)
        self.dropout = nn.Dropout(dropout)
        self.w_out = nn.Linear(half, channels, bias=False)
        self.scale = nn.Parameter(torch.tensor(START))
        self._start_steps()

    @torch.no_grad()
    def _start_steps(self) -> None:
        """Let softplus of the bias be a step size; the projection starts as Mamba's."""
        nn.init.uniform_(self.w_dt.weight, -(self.rank**-0.5), self.rank**-0.5)
        low, high = math.log(SHORTEST_STEP), math.log(LONGEST_STEP)
        steps = torch.empty_like(self.w_dt.bias).uniform_(low, high).exp()
        self.w_dt.bias.copy_(steps.expm1().log())  # the inverse of softplus

    def forward(self, tokens: Tokens) -> Tokens:
        """Return what is added to the tokens.

        Args:
            tokens: Both encoders' tokens, joined along the sequence.
        """
        x, z = rearrange(self.w_in(tokens), "b l d -> b d l").chunk(2, dim=1)
        x, z = F.silu(self.conv_x(x)), F.silu(self.conv_z(z))
        y = self.scan(x)
        if self.direction == "both":
            y = y + self.scan(x.flip(-1)).flip(-1)
        gate = F.silu(z) if self.gate_twice else z
        y = self.norm(rearrange(y, "b d l -> b l d")) * rearrange(gate, "b d l -> b l d")
        out: Tensor = self.scale * self.dropout(self.w_out(y))
        return out

    def scan(
        self, x: Float[Tensor, "batch channel length"]
    ) -> Float[Tensor, "batch channel length"]:
        """Scan the convolved tokens, whose steps and states' inputs and outputs they choose themselves.

        Args:
            x: The tokens, half as wide.
        """
        chosen = self.w_x(rearrange(x, "b d l -> b l d"))
        dt, B, C = chosen.split([self.rank, self.states, self.states], dim=-1)
        delta = rearrange(self.w_dt(dt), "b l d -> b d l")
        bias = self.w_dt.bias if self.bias_twice else None
        return selective_scan(
            x, delta, -self.a_log.exp(), B.mT, C.mT, self.d, bias, delta_softplus=True
        )
