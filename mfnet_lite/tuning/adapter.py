r"""Adapters: a small bottleneck network behind, or beside, a frozen module.

With down projection :math:`D \in \mathbb{R}^{b \times d}`, up projection
:math:`U \in \mathbb{R}^{d \times b}` and an activation between them,

.. math:: f(u) = U\,\mathrm{GELU}(D u + d_0) + u_0 .

*Serial* adapters read what the frozen module wrote, :math:`y + f(y)` with :math:`y = \mathrm{base}(x)`
(Houlsby et al. 2019, arXiv 1902.00751, section 2.1). *Parallel* adapters read what it reads,
:math:`\mathrm{base}(x) + s f(x)` (Chen et al. 2022, AdaptFormer, arXiv 2205.13535, equation 5; the
Medical SAM Adapter of Wu et al. 2023, arXiv 2304.12620, beside the MLP). Where :math:`U` and
:math:`u_0` start at zero, the network starts as the frozen one.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Any, Literal, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import skip_init

from mfnet_lite.tuning.frozen import matching, update_format
from mfnet_lite.tuning.inject import Injected, InjectedWrapper, attach

M = TypeVar("M", bound=nn.Module)
Activation = Callable[[Tensor], Tensor]

__all__ = [
    "BLOCK_TARGETS",
    "Adapter",
    "ParallelAdapter",
    "SerialAdapter",
    "attach_adapters",
]

BLOCK_TARGETS = ("*blocks.*.attn", "*blocks.*.mlp")
"""Attention and MLP of every encoder block, of a whole SAM or of its image encoder alone."""


class Adapter(Injected):
    """A bottleneck: down to few channels, an activation, up again, and if wanted its input on top.

    Args:
        d: Channels of input and output.
        bottleneck: Channels in the middle; a quarter of ``d``, at least 1, if None.
        skip: Add the input to the output.
        zero_init: Start with an up projection of zeros, so that nothing is added at first. Without
            it PyTorch's usual initialisation is used, as in MFNet's released code.
        activation: Between both projections.
        generator: Source of the initial weights; the global one if None.

    Raises:
        ValueError: If a width is not positive.

    Example:
        >>> adapter = Adapter(8, generator=torch.Generator().manual_seed(0))
        >>> tuple(adapter.down.weight.shape), bool((adapter(torch.ones(2, 8)) == 0).all())
        ((2, 8), True)
    """

    def __init__(
        self,
        d: int,
        bottleneck: int | None = None,
        skip: bool = False,
        zero_init: bool = True,
        activation: Activation = F.gelu,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        width = max(1, d // 4) if bottleneck is None else bottleneck
        if d < 1 or width < 1:
            raise ValueError(f"d and bottleneck must be at least 1, got {d} and {width}.")
        self.skip = skip
        self.activation = activation
        self.down = _linear(d, width, generator)
        self.up = _linear(width, d, generator)
        if zero_init:
            nn.init.zeros_(self.up.weight)
            nn.init.zeros_(self.up.bias)

    def forward(self, u: Float[Tensor, "*batch channels"]) -> Float[Tensor, "*batch channels"]:
        """Compute the bottleneck, plus the input if ``skip``."""
        change: Tensor = self.up(self.activation(self.down(matching(u, self.down.weight))))
        change = matching(change, u)
        return u + change if self.skip else change

    def computation(self) -> dict[str, Any]:
        """Return skip and the name of the activation, for a delta's header."""
        name = getattr(self.activation, "__name__", type(self.activation).__name__)
        return {"skip": self.skip, "activation": name}

    def extra_repr(self) -> str:
        """What ``print`` adds to the two projections."""
        return f"skip={self.skip}"


def _linear(inputs: int, outputs: int, generator: torch.Generator | None) -> nn.Linear:
    """A linear layer with PyTorch's usual distribution, drawn from ``generator``."""
    layer = skip_init(nn.Linear, inputs, outputs)
    nn.init.kaiming_uniform_(layer.weight, a=5**0.5, generator=generator)
    nn.init.uniform_(layer.bias, -(inputs**-0.5), inputs**-0.5, generator=generator)
    assert isinstance(layer, nn.Linear)
    return layer


class SerialAdapter(InjectedWrapper):
    """A frozen module and an adapter behind it: ``y + f(y)`` with ``y = base(x)``.

    Args:
        base: A module whose output has its channels last.
        d: Channels of that output; found from the layers of ``base`` if None.
        bottleneck: As in :class:`Adapter`, and so are the next three.
        zero_init: See there.
        activation: See there.
        generator: See there.

    Raises:
        ValueError: If ``d`` is needed and cannot be found, or ``base`` needs several inputs.

    Example:
        >>> x, base = torch.ones(1, 3), nn.Linear(3, 4)
        >>> torch.equal(SerialAdapter(base)(x), base(x))
        True
    """

    def __init__(
        self,
        base: nn.Module,
        d: int | None = None,
        bottleneck: int | None = None,
        zero_init: bool = True,
        activation: Activation = F.gelu,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__(base)
        _check_one_input(base)
        d = _widths(base)[1] if d is None else d
        adapter = Adapter(d, bottleneck, False, zero_init, activation, generator)
        self.adapter = _beside(base, adapter)

    def forward(self, x: Float[Tensor, "*batch inputs"]) -> Float[Tensor, "*batch channels"]:
        """Run the base, then the adapter on what it gave."""
        y: Tensor = self.base(x)
        change: Tensor = self.adapter(y)
        return y + change


class ParallelAdapter(InjectedWrapper):
    """A frozen module and an adapter beside it: ``base(x) + scale * f(x)``.

    Args:
        base: A module with as many channels in as out, channels last.
        d: Channels; found from the layers of ``base`` if None.
        bottleneck: As in :class:`Adapter`, and so are the next three.
        zero_init: See there.
        activation: See there.
        generator: See there.
        scale: Fixed factor of the adapter: 0.1 in AdaptFormer, 0.5 in the Medical SAM Adapter.

    Raises:
        ValueError: If ``d`` is needed and cannot be found, or ``base`` changes the width or needs several inputs.
    """

    def __init__(
        self,
        base: nn.Module,
        d: int | None = None,
        bottleneck: int | None = None,
        zero_init: bool = True,
        activation: Activation = F.gelu,
        generator: torch.Generator | None = None,
        scale: float = 1.0,
    ) -> None:
        super().__init__(base)
        _check_one_input(base)
        if d is None:
            inputs, d = _widths(base)
            if inputs != d:
                raise ValueError(
                    f"a parallel adapter needs as many channels in as out, but {type(base).__name__} "
                    f"maps {inputs} to {d}; use a serial adapter there."
                )
        self.scale = scale
        adapter = Adapter(d, bottleneck, False, zero_init, activation, generator)
        self.adapter = _beside(base, adapter)

    def forward(self, x: Float[Tensor, "*batch channels"]) -> Float[Tensor, "*batch channels"]:
        """Run both on the same input and add."""
        y: Tensor = self.base(x)
        change: Tensor = self.adapter(x)
        return y + self.scale * change

    def computation(self) -> dict[str, Any]:
        """Return the factor, for a delta's header."""
        return {"scale": self.scale}

    def extra_repr(self) -> str:
        """What ``print`` adds to base and adapter."""
        return f"scale={self.scale}"


def _check_one_input(base: nn.Module) -> None:
    """Refuse a module that needs several inputs, of which an adapter would pass on one."""
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    needed = [
        key
        for key, parameter in inspect.signature(base.forward).parameters.items()
        if parameter.kind in kinds and parameter.default is inspect.Parameter.empty
    ]
    if len(needed) > 1:
        raise ValueError(
            f"{type(base).__name__} reads {', '.join(needed)}: expected a module of one input, such as a block, an MLP "
            "or a linear layer; put the adapter around one of those"
        )


def _widths(base: nn.Module) -> tuple[int, int]:
    """Channels into and out of a module, read from its first and last linear layer."""
    linears = [module for module in base.modules() if isinstance(module, nn.Linear)]
    if linears:
        return linears[0].in_features, linears[-1].out_features
    if isinstance(base, nn.LayerNorm):
        return base.normalized_shape[-1], base.normalized_shape[-1]
    raise ValueError(
        f"the width of {type(base).__name__} cannot be read from a linear layer; give it as d."
    )


def _beside(base: nn.Module, adapter: Adapter) -> Adapter:
    """Move a new adapter to the device of its module and the number format which that computes in."""
    return adapter.to(**update_format(base)) if any(True for _ in base.parameters()) else adapter


def attach_adapters(
    model: M,
    targets: str | Iterable[str] = BLOCK_TARGETS,
    kind: Literal["serial", "parallel"] = "serial",
    bottleneck: int | None = None,
    zero_init: bool = True,
    scale: float = 1.0,
    d: int | None = None,
    activation: Activation = F.gelu,
    seed: int | None = None,
) -> M:
    """Put an adapter behind or beside every module that the patterns name, and freeze the rest.

    Where LoRA and adapters shall meet, attach LoRA first: patterns do not look inside a wrapped module.

    Args:
        model: The network, changed in place.
        targets: One pattern or several, as in :func:`~mfnet_lite.tuning.matches`; by default attention and MLP of
            every encoder block, where Houlsby et al. put them.
        kind: ``serial`` or ``parallel``.
        bottleneck: Channels in the middle; a quarter of each module's width if None.
        zero_init: Start as the frozen network.
        scale: Factor of parallel adapters; serial ones have none.
        d: Channels, where they cannot be read from the module's linear layers.
        activation: Between both projections of each adapter.
        seed: Of the initial weights; the global generator if None.

    Returns:
        The same model; :func:`~mfnet_lite.tuning.detach` removes the adapters again.

    Raises:
        ValueError: If there is no pattern or one fits nothing, a width cannot be found, the kind is unknown, a scale is
            given to serial adapters, a module needs several inputs, or PyTorch would pass the adapter over, as in an
            ``nn.TransformerEncoderLayer``.
    """
    if kind not in ("serial", "parallel"):
        raise ValueError(f"kind must be 'serial' or 'parallel', got {kind!r}.")
    if kind == "serial" and scale != 1.0:
        raise ValueError(f"serial adapters have no scale, got {scale}; use kind='parallel'.")
    generator = None if seed is None else torch.Generator().manual_seed(seed)

    def wrap(module: nn.Module) -> SerialAdapter | ParallelAdapter:
        if kind == "serial":
            return SerialAdapter(module, d, bottleneck, zero_init, activation, generator)
        return ParallelAdapter(module, d, bottleneck, zero_init, activation, generator, scale)

    return attach(model, targets, wrap)
