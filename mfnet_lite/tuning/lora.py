r"""Low-rank adaptation: LoRA (Hu et al. 2022, arXiv 2106.09685, eq. 3).

::

                    x  (d_in)
             ┌──────┴───────┐
             │              │ dropout
      ┌──────┴──────┐   ┌───┴───┐
      │             │    \  A  /     r × d_in, random      ─┐
      │  W, frozen  │     └─┬─┘                            │ trained:
      │ d_out × d_in│       │  r numbers                   │ r·(d_in + d_out) weights
      │             │     ┌─┴─┐                            │ in place of d_in·d_out
      │             │    /  B  \     d_out × r, zeros      ─┘
      └──────┬──────┘   └───┬───┘
             │              │ × alpha / r
             └─────( + )────┘
                    y  (d_out)

A pre-trained linear layer stays frozen; what training may add to its weight is a product of two thin
matrices,

.. math:: y = W x + b + \frac{\alpha}{r} B A x,\qquad A\in R^{r\times d_{in}},\ B\in R^{d_{out}\times r}.

B starts at zero, so a tuned network starts as exactly the network it was made from. Vision transformers
often compute query, key and value by *one* linear layer of 3·d rows; there :class:`LoRAQKV` gives chosen
slices of d rows an A and a B of their own and leaves the rows of the others alone.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import Any, Literal

import torch
from einops import einsum, rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from mfnet_lite.tuning.frozen import check_linear, check_merges, matching, update_format
from mfnet_lite.tuning.inject import InjectedWrapper

__all__ = ["LoRALayer", "LoRALinear", "LoRAQKV"]

Init = Literal["kaiming", "gaussian"]


class LoRALayer(InjectedWrapper):
    """What every LoRA has in common: rank, scaling, dropout, and merging.

    Merging never touches the base: the sum of both weights is kept beside it. So unmerging and detaching
    give the original weight back bit for bit, and ``state_dict`` is the same merged or not. A second
    weight is the price; :func:`~mfnet_lite.tuning.merge_and_unload` makes a plain network without it. Beside a
    quantised base A and B have the format it computes in, and nothing can be merged.

    Args:
        base: The linear layer, kept as it is.
        rank: Rank r of the update, at least 1.
        alpha: The update is multiplied by ``alpha / rank``. None means ``alpha = rank``, a factor of 1.
        dropout: Share of the *update's* inputs set to zero in training; the base sees all of them.

    Raises:
        ValueError: If the base is not an ``nn.Linear`` that computes, or a number is out of range.
    """

    base: nn.Linear
    lora_a: nn.Parameter
    lora_b: nn.Parameter
    merged_weight: Tensor | None

    def __init__(
        self, base: nn.Linear, rank: int = 4, alpha: float | None = None, dropout: float = 0.0
    ) -> None:
        super().__init__(base)
        check_linear(base)
        if rank < 1:
            raise ValueError(f"expected a rank of at least 1, got {rank}")
        self.rank, self.alpha = rank, float(rank if alpha is None else alpha)
        self.dropout = nn.Dropout(dropout) if dropout else nn.Identity()
        self.register_buffer("merged_weight", None, persistent=False)

    @property
    def scaling(self) -> float:
        """The factor alpha / rank of the update."""
        return self.alpha / self.rank

    @property
    def in_features(self) -> int:
        """Width of the input, as of ``nn.Linear``."""
        return self.base.in_features

    @property
    def out_features(self) -> int:
        """Width of the output, as of ``nn.Linear``."""
        return self.base.out_features

    @property
    def weight(self) -> Float[Tensor, "out in"]:
        """The weight in effect, W + scaling·BA: some modules read it instead of calling the layer."""
        if self.merged_weight is not None:
            return self.merged_weight
        check_merges(self.base)
        return self.base.weight + self.delta_weight()

    @property
    def bias(self) -> Float[Tensor, " out"] | None:
        """The base's bias, which LoRA leaves alone."""
        return self.base.bias

    @property
    def merged(self) -> bool:
        """Whether the update is merged into one weight."""
        return self.merged_weight is not None

    @abstractmethod
    def delta_weight(self) -> Float[Tensor, "out in"]:
        """Return the update, scaling·BA, in the weight's shape and dtype; gradients flow."""

    @abstractmethod
    def update(self, x: Float[Tensor, "*batch in"], y: Float[Tensor, "*batch out"]) -> Tensor:
        """Add the update's output for ``x`` to the base's output ``y``."""

    def forward(self, x: Float[Tensor, "*batch in"]) -> Float[Tensor, "*batch out"]:
        """Apply the base and the update; one product when merged."""
        if self.merged_weight is not None:
            return F.linear(x, self.merged_weight, self.base.bias)
        return self.update(self.dropout(x), self.base(x))

    def merge(self) -> None:
        """Sum both weights, once, at least in float32; of a quantised weight a ``ValueError``."""
        if self.merged_weight is None:
            check_merges(self.base)
            weight = self.base.weight
            wide = torch.promote_types(weight.dtype, torch.float32)
            # made in inference mode, it would let no gradient through; leaving the mode turns gradients on
            with torch.inference_mode(False), torch.no_grad():
                self.merged_weight = (weight.to(wide) + self._delta(wide)).to(weight.dtype)

    def unmerge(self) -> None:
        """Let base and update be computed separately again."""
        self.merged_weight = None

    @abstractmethod
    def _delta(self, dtype: torch.dtype) -> Tensor:
        """Compute the update in a given precision."""

    def train(self, mode: bool = True) -> LoRALayer:
        """Switch the mode; training takes a merge back, since a merged update could not learn."""
        if mode:
            self.unmerge()
        return super().train(mode)

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:
        self.unmerge()  # the sum of the old weights would outlive them
        super()._load_from_state_dict(*args, **kwargs)

    def computation(self) -> dict[str, Any]:
        """Return the scaling, which no tensor holds, for a delta's header."""
        return {"scaling": self.scaling}

    def extra_repr(self) -> str:
        """Show rank and alpha in ``print(model)``."""
        return f"rank={self.rank}, alpha={self.alpha:g}, merged={self.merged}"


class LoRALinear(LoRALayer):
    """LoRA for one linear layer.

    Args:
        base: The linear layer.
        rank: Rank r of the update.
        alpha: Numerator of the scaling, None for ``rank``.
        dropout: Share of the update's inputs dropped in training.
        init: How A starts: ``"kaiming"`` uniform with a = √5, as in loralib and peft, or ``"gaussian"``
            with standard deviation 1/r.
        generator: Source of A's random numbers on the CPU; None for torch's own.

    Example:
        >>> layer = LoRALinear(nn.Linear(8, 6), rank=2)
        >>> tuple(layer.lora_a.shape), tuple(layer.lora_b.shape), layer.scaling
        ((2, 8), (6, 2), 1.0)
        >>> x = torch.ones(3, 8)
        >>> torch.equal(layer(x), layer.base(x))
        True
    """

    def __init__(
        self,
        base: nn.Linear,
        rank: int = 4,
        alpha: float | None = None,
        dropout: float = 0.0,
        init: Init = "kaiming",
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(base, rank, alpha, dropout)
        a = initial_a(rank, rank, base.in_features, init, generator)
        form = update_format(base)
        self.lora_a = nn.Parameter(a.to(**form))
        self.lora_b = nn.Parameter(torch.zeros(base.out_features, rank, **form))

    def delta_weight(self) -> Float[Tensor, "out in"]:
        """Return scaling·BA."""
        return self._delta(self.lora_a.dtype)

    def _delta(self, dtype: torch.dtype) -> Tensor:
        return self.scaling * (self.lora_b.to(dtype) @ self.lora_a.to(dtype))

    def update(self, x: Float[Tensor, "*batch in"], y: Float[Tensor, "*batch out"]) -> Tensor:
        """Add scaling·B(Ax): two thin products, never the full BA."""
        low = F.linear(matching(x, self.lora_a), self.lora_a)
        return y + (self.scaling * F.linear(low, self.lora_b)).to(y.dtype)


class LoRAQKV(LoRALayer):
    """LoRA for chosen q, k and v slices of a fused query-key-value layer (rows: all q, all k, all v).

    Hu et al. adapt queries and values; ``parts="qv"`` does so here. Each chosen slice has an A and a B
    of its own, as in loralib's ``MergedLinear``; the rows of the others get *nothing* added.

    Args:
        base: The fused layer, with 3·d rows.
        parts: Which slices, letters out of ``"qkv"`` in that order.
        rank: Rank r of the update of each slice.
        alpha: Numerator of the scaling, None for ``rank``.
        dropout: Share of the update's inputs dropped in training.
        init: How A starts, as in :class:`LoRALinear`.
        generator: Source of A's random numbers on the CPU; None for torch's own.

    Raises:
        ValueError: If the rows are not three slices of one size, or ``parts`` holds other letters.

    Example:
        >>> layer = LoRAQKV(nn.Linear(4, 12), parts="qv", rank=2)
        >>> tuple(layer.lora_a.shape), tuple(layer.lora_b.shape)
        ((2, 2, 4), (2, 4, 2))
    """

    rows: Tensor

    def __init__(
        self,
        base: nn.Linear,
        parts: str = "qv",
        rank: int = 4,
        alpha: float | None = None,
        dropout: float = 0.0,
        init: Init = "kaiming",
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(base, rank, alpha, dropout)
        if base.out_features % 3:
            raise ValueError(
                f"a fused qkv layer has 3·d rows, this one has {base.out_features}; use LoRALinear"
            )
        check_parts(parts)
        self.parts = parts
        slices, width, form = len(parts), base.out_features // 3, update_format(base)
        a = initial_a(slices * rank, rank, base.in_features, init, generator)
        a = rearrange(a, "(part rank) into -> part rank into", part=slices)
        self.lora_a = nn.Parameter(a.to(**form))
        self.lora_b = nn.Parameter(torch.zeros(slices, width, rank, **form))
        rows = torch.tensor(["qkv".index(p) for p in parts], device=base.weight.device)
        self.register_buffer("rows", rows, persistent=False)

    def delta_weight(self) -> Float[Tensor, "out in"]:
        """Return the update of all 3·d rows, zero in the rows of the parts left alone."""
        return self._delta(self.lora_a.dtype)

    def _delta(self, dtype: torch.dtype) -> Tensor:
        delta = self.scaling * (self.lora_b.to(dtype) @ self.lora_a.to(dtype))
        whole = delta.new_zeros(3, *delta.shape[1:]).index_copy(0, self.rows, delta)
        return rearrange(whole, "part row into -> (part row) into")

    def computation(self) -> dict[str, Any]:
        """Return the scaling and which slices are adapted."""
        return super().computation() | {"parts": self.parts}

    def update(self, x: Float[Tensor, "*batch in"], y: Float[Tensor, "*batch out"]) -> Tensor:
        """Add scaling·B(Ax) to the rows of each chosen slice and to no other."""
        rows = rearrange(self.lora_a, "part rank into -> (part rank) into")
        low = F.linear(matching(x, rows), rows)
        low = rearrange(low, "... (part rank) -> ... part rank", part=len(self.parts))
        high = einsum(low, self.lora_b, "... part rank, part row rank -> ... part row")
        slices = rearrange(y, "... (part row) -> ... part row", part=3)
        slices = slices.index_add(-2, self.rows, (self.scaling * high).to(y.dtype))
        return rearrange(slices, "... part row -> ... (part row)")


def check_parts(parts: str) -> None:
    """Reject names of slices that are not letters of ``"qkv"``, each once, in that order.

    Raises:
        ValueError: If they are not.
    """
    if not parts or "".join(p for p in "qkv" if p in parts) != parts:
        raise ValueError(f"expected parts out of 'qkv' in that order, got {parts!r}")


def initial_a(
    rows: int, rank: int, width: int, init: Init, generator: torch.Generator | None
) -> Float[Tensor, "rows width"]:
    """Draw A on the CPU, so that one seed gives the same numbers on every device.

    Args:
        rows: Rows to draw, the rank times the number of parts.
        rank: The rank, for the spread of ``"gaussian"``.
        width: The layer's input width.
        init: ``"kaiming"`` or ``"gaussian"``.
        generator: Source of randomness, None for torch's own.

    Returns:
        A, or the A of several parts one below the other.

    Raises:
        ValueError: If ``init`` is neither.
    """
    a = torch.empty(rows, width, device="cpu")
    if init == "kaiming":
        return nn.init.kaiming_uniform_(a, a=math.sqrt(5), generator=generator)
    if init == "gaussian":
        return nn.init.normal_(a, std=1 / rank, generator=generator)
    raise ValueError(f"expected init 'kaiming' or 'gaussian', got {init!r}")
