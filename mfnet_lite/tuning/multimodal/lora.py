r"""LoRA for several sensors on one frozen network (MFNet, Ma et al. 2025).

All sensors go through the frozen weights as one batch: ``x`` has a leading *sensor* axis, and a frozen
``nn.Linear`` does not notice it. What is added is private: every small weight carries the same
leading axis. MMLoRA exchanges between sensors inside one linear layer, by the rule of
:mod:`mfnet_lite.tuning.multimodal.mixing`,

.. math:: \mathrm{out}_m = W x_m + b + s\sum_n c_{mn} B_n A_n x_n ,

:class:`SensorQKV` (LoRA on the query and value rows of a fused projection) does not. With one sensor both
are ordinary LoRA. The adapters are in :mod:`mfnet_lite.tuning.multimodal.adapter`.
"""

from __future__ import annotations

from typing import Any

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from mfnet_lite.tuning.frozen import check_linear, matching, update_format
from mfnet_lite.tuning.inject import Injected, InjectedWrapper
from mfnet_lite.tuning.lora import check_parts
from mfnet_lite.tuning.multimodal.mixing import mixing_matrix
from mfnet_lite.tuning.multimodal.stacked import (
    FIRST_SHARE,
    ModalityMask,
    Stacked,
    check_counts,
    check_stacked,
    uniform_like_linear_,
    zero_fill,
)

__all__ = ["MMLoRA", "MMLoRALinear", "QKVUpdate", "SensorQKV"]

OFFICIAL_ALPHA = 1.0
"""``alpha`` of the authors' code in attention, a quarter at rank 4; in the MLP theirs is None, a factor of one."""


class MMLoRA(Injected):
    r"""The low-rank part of an MMLoRA layer: what is added to the frozen layer's output.

    The exchange happens in the r hidden values, where it is cheap:
    :math:`\sum_n c_{mn} B_n (A_n x_n) = [c_{m1}h_1, \dots, c_{mM}h_M]\,[B_1, \dots, B_M]^\top`
    is one product with M·r rows, and no sensor's full-width update is ever stored.

    Args:
        inputs: Channels in.
        outputs: Channels out.
        sensors: Number of sensors M.
        rank: r of each sensor.
        alpha: The update is scaled by alpha / rank; None means alpha = rank, a factor of one, as in the
            authors' code (see *Paper versus code*).
        mixing: False gives every sensor an ordinary LoRA of its own.
        generator: Source of the initial A.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        sensors: int,
        rank: int = 4,
        alpha: float | None = None,
        mixing: bool = True,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        check_counts(sensors=sensors, rank=rank)
        self.scaling = (rank if alpha is None else alpha) / rank
        self.lora_a = nn.Parameter(torch.empty(sensors, rank, inputs))
        self.lora_b = nn.Parameter(torch.zeros(sensors, outputs, rank))
        uniform_like_linear_(self.lora_a, inputs, generator)
        self.mix = nn.Parameter(torch.full((sensors,), FIRST_SHARE)) if mixing else None

    def forward(
        self, x: Stacked, out: Stacked, modality_mask: ModalityMask | None = None
    ) -> Stacked:
        """Add the update to ``out``, the frozen layer's answer to ``x``.

        Args:
            x: Input of the frozen layer.
            out: Its output for ``x.flatten(0, -2)``, one row per token; it is changed in place, which
                saves a copy as wide as the layer.
            modality_mask: Which sensors each sample has; what stands in ``x`` for missing ones, even NaN, is
                not read.

        Returns:
            ``out`` with the update, in the shape of ``x`` but for the channels.
        """
        _, batch = check_stacked(x, len(self.lora_a))
        hidden = _down(zero_fill(x, modality_mask), self.lora_a)
        hidden = rearrange(hidden, "other (b token) r -> b other token r", b=batch)
        matrix = self.matrix(modality_mask).to(hidden.dtype) * self.scaling
        mixed = torch.einsum("b m n, b n p r -> m b p n r", matrix, hidden)
        mixed = rearrange(mixed, "m b p n r -> (m b p) (n r)")
        rows = rearrange(self.lora_b, "n out r -> (n r) out")
        return _add_product(out, mixed, rows).view(*x.shape[:-1], -1)

    def computation(self) -> dict[str, Any]:
        """Return the scaling, for a delta's header."""
        return {"scaling": self.scaling}

    def matrix(
        self, modality_mask: ModalityMask | None = None
    ) -> Float[Tensor, "batch sensor other"]:
        """Return the mixing coefficients; those of separate LoRAs are the identity."""
        if self.mix is None:
            return torch.eye(len(self.lora_a), device=self.lora_a.device)[None]
        return mixing_matrix(self.mix, modality_mask)


class MMLoRALinear(InjectedWrapper):
    r"""A frozen linear layer with MMLoRA.

    .. math:: \mathrm{out}_m = W x_m + b + \frac{\alpha}{r}\sum_n c_{mn} B_n A_n x_n

    Args:
        base: The frozen layer.
        sensors: Number of sensors.
        rank: r of each sensor.
        alpha: Scaling is alpha / rank; None for a factor of one.
        mixing: False gives every sensor a LoRA of its own.
        generator: Source of the initial A.

    Raises:
        ValueError: If the base is no ``nn.Linear`` or a number is out of range.

    Example:
        >>> layer = MMLoRALinear(nn.Linear(8, 6), sensors=2, rank=2)
        >>> x = torch.randn(2, 5, 3, 8)  # sensor, batch, token, channels
        >>> layer(x).shape, torch.equal(layer(x), layer.base(x))
        (torch.Size([2, 5, 3, 6]), True)
    """

    def __init__(
        self,
        base: nn.Linear,
        sensors: int,
        rank: int = 4,
        alpha: float | None = None,
        mixing: bool = True,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(base)
        check_linear(base)
        self.update = MMLoRA(
            base.in_features, base.out_features, sensors, rank, alpha, mixing, generator
        ).to(**update_format(base))

    @property
    def lora_a(self) -> nn.Parameter:
        """The A of each sensor, (sensor, rank, in)."""
        return self.update.lora_a

    @property
    def lora_b(self) -> nn.Parameter:
        """The B of each sensor, (sensor, out, rank)."""
        return self.update.lora_b

    @property
    def mix(self) -> nn.Parameter | None:
        """The share each sensor keeps of its own, (sensor,), or None without exchange."""
        return self.update.mix

    def forward(self, x: Stacked, modality_mask: ModalityMask | None = None) -> Stacked:
        """Map all sensors at once; ``modality_mask`` says which of them each sample has.

        Missing ones are read as zeros, whatever stands there.
        """
        check_stacked(x, len(self.lora_a))
        x = zero_fill(x, modality_mask)
        out: Tensor = self.update(x, self.base(x.flatten(0, -2)), modality_mask)
        return out


class QKVUpdate(Injected):
    """LoRA of each sensor on chosen slices of a fused query-key-value projection, without exchange.

    Args:
        channels: Width d of the tokens; the projection has 3·d rows.
        sensors: Number of sensors.
        rank: r of each sensor and slice.
        alpha: Scaling is alpha / rank; None for a factor of one, of the authors :data:`OFFICIAL_ALPHA`.
        parts: Which of the q, k and v slices, letters out of ``"qkv"`` in that order; the authors' are
            query and value.
        generator: Source of the initial A.
    """

    def __init__(
        self,
        channels: int,
        sensors: int,
        rank: int = 4,
        alpha: float | None = None,
        parts: str = "qv",
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        check_counts(sensors=sensors, rank=rank)
        check_parts(parts)
        self.slices = tuple("qkv".index(letter) for letter in parts)
        self.scaling = (rank if alpha is None else alpha) / rank
        self.lora_a = nn.Parameter(torch.empty(sensors, len(parts), rank, channels))
        self.lora_b = nn.Parameter(torch.zeros(sensors, len(parts), channels, rank))
        uniform_like_linear_(self.lora_a, channels, generator)

    def computation(self) -> dict[str, Any]:
        """Return the scaling and which slices are adapted, for a delta's header."""
        return {"scaling": self.scaling, "parts": "".join("qkv"[index] for index in self.slices)}

    def forward(self, x: Stacked, out: Stacked) -> Stacked:
        """Add the update in place to ``out``, the frozen projection of ``x.flatten(0, -2)``."""
        sensors, _ = check_stacked(x, len(self.lora_a))
        hidden = _down(x, rearrange(self.lora_a, "m part r d -> m (part r) d")) * self.scaling
        own = torch.eye(sensors, dtype=hidden.dtype, device=hidden.device)
        hidden = torch.einsum("m p r, m n -> m p n r", hidden, own)
        rows = self.lora_b.new_zeros(*self.lora_a.shape[:3], 3, x.shape[-1])
        for part, index in enumerate(self.slices):  # zeros in the others: they stay as they are
            rows[:, part, :, index] = self.lora_b[:, part].mT
        wide = rearrange(hidden, "m token n r -> (m token) (n r)")
        rows = rearrange(rows, "m part r slice d -> (m part r) (slice d)")
        return _add_product(out, wide, rows).view(*x.shape[:-1], -1)


class SensorQKV(InjectedWrapper):
    """A frozen fused query-key-value projection with a private LoRA per sensor.

    Args:
        base: The projection, d → 3·d.
        sensors: Number of sensors.
        rank: r of each sensor and slice.
        alpha: Scaling is alpha / rank; None for a factor of one.
        parts: Which of the q, k and v slices, letters out of ``"qkv"`` in that order.
        generator: Source of the initial A.
    """

    def __init__(
        self,
        base: nn.Linear,
        sensors: int,
        rank: int = 4,
        alpha: float | None = None,
        parts: str = "qv",
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(base)
        check_linear(base)
        if base.out_features != 3 * base.in_features:
            raise ValueError(
                "expected a fused projection with three times as many outputs as inputs, got "
                f"{base.in_features} → {base.out_features}; use MMLoRALinear for other layers"
            )
        self.update = QKVUpdate(base.in_features, sensors, rank, alpha, parts, generator)
        self.update.to(**update_format(base))

    @property
    def lora_a(self) -> nn.Parameter:
        """The A of each sensor and slice, (sensor, part, rank, d)."""
        return self.update.lora_a

    @property
    def lora_b(self) -> nn.Parameter:
        """The B of each sensor and slice, (sensor, part, d, rank)."""
        return self.update.lora_b

    def forward(self, x: Stacked) -> Stacked:
        """Project all sensors at once."""
        out: Tensor = self.update(x, self.base(x.flatten(0, -2)))
        return out


def _down(x: Stacked, rows: Float[Tensor, "sensor r d"]) -> Float[Tensor, "sensor token r"]:
    """Multiply each sensor's tokens with its own few rows.

    As one product with the rows of all sensors, of which each keeps its own: a little waste, but
    unlike ``bmm``, ``mm`` takes the gradient of the rows in the order that suits so few of them.
    """
    every = F.linear(matching(x.flatten(0, -2), rows), rows.flatten(0, 1))
    every = rearrange(every, "(m token) (n r) -> m token n r", m=len(rows), n=len(rows))
    return rearrange(every.diagonal(dim1=0, dim2=2), "token r m -> m token r")


def _add_product(
    out: Float[Tensor, "token wide"], few: Float[Tensor, "token r"], rows: Float[Tensor, "r wide"]
) -> Float[Tensor, "token wide"]:
    """Add a product with few inner terms in place; it is never a tensor of its own.

    ``out`` must be no view: of a view, autograd would copy the whole gradient. Autocast does not cast
    the arguments of in-place functions, so that is done here.
    """
    return out.addmm_(few.to(out.dtype), rows.to(out.dtype))
