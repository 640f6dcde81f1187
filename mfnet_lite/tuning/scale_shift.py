r"""Scale and shift: two numbers for every output of a frozen linear layer (EarthGPT's second stage).

A linear layer stays frozen, and what it gives is stretched and moved, number by number,

.. math:: y = s \odot (W x + b_0 + b),\qquad s = 1,\ b = 0 \text{ at the start},

as in EarthGPT (Zhang et al. 2024, arXiv 2401.16822) and, under the name of bias tuning, in LLaMA-Adapter V2 (Gao et al.
2023, arXiv 2304.15010, section 4.1). :math:`b_0` is the layer's own bias, if it has one. The published code of
LLaMA-Adapter V2 scales the *input* instead, :math:`y = W (s \odot x) + b_0 + b`; ``form="input"`` does so. Either way
the network starts as the frozen one, and the numbers can be merged into weight and bias:
:math:`\mathrm{diag}(s) W` with :math:`s \odot (b_0 + b)`, or :math:`W \mathrm{diag}(s)` with :math:`b_0 + b`.

Scale and shift are kept in float32 whatever the frozen weight has: in bfloat16 the neighbours of 1 are 0.996 and
1.008, and steps of 0.001 would all be lost. They are also *used* so: beside a layer that computes in half precision
the deviation s − 1 is rounded, not s. The outputs of such a layer are rounded themselves, so that a deviation below
about 0.003 does not show in them yet; it adds up from step to step until it does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Literal, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from mfnet_lite.tuning.frozen import check_linear, check_merges, update_format
from mfnet_lite.tuning.inject import InjectedWrapper, find_modules, freeze, replace_module

__all__ = ["ScaleShiftLinear", "attach_scale_shift", "linear_layers"]

M = TypeVar("M", bound=nn.Module)
Form = Literal["output", "input"]


class ScaleShiftLinear(InjectedWrapper):
    """A frozen linear layer whose outputs, or inputs, are scaled and whose outputs are shifted.

    Merging never touches the base, as with LoRA: weight and bias in effect are kept beside it.

    Args:
        base: The linear layer, kept as it is.
        form: Whether outputs are scaled (EarthGPT) or inputs (published code of LLaMA-Adapter V2).

    Raises:
        ValueError: If the base is not an ``nn.Linear`` that computes, or the form is unknown.

    Example:
        >>> layer = ScaleShiftLinear(nn.Linear(8, 6))
        >>> x = torch.ones(3, 8)
        >>> torch.equal(layer(x), layer.base(x)), sum(p.numel() for _, p in layer.added_parameters())
        (True, 12)
    """

    base: nn.Linear
    merged_weight: Tensor | None
    merged_bias: Tensor | None

    def __init__(self, base: nn.Linear, form: Form = "output") -> None:
        super().__init__(base)
        if not isinstance(base, nn.Linear):
            raise ValueError(
                f"scale and shift stand beside an nn.Linear, got {type(base).__name__}"
            )
        check_linear(base)
        if form not in ("output", "input"):
            raise ValueError(f"expected form 'output' or 'input', got {form!r}")
        self.form = form
        kind = update_format(base)
        wide = torch.promote_types(kind["dtype"], torch.float32)
        width = base.out_features if form == "output" else base.in_features
        self.scale = nn.Parameter(torch.ones(width, device=kind["device"], dtype=wide))
        self.shift = nn.Parameter(torch.zeros(base.out_features, device=kind["device"], dtype=wide))
        self.register_buffer("merged_weight", None, persistent=False)
        self.register_buffer("merged_bias", None, persistent=False)

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
        """The weight in effect, in the base's number format."""
        return self._effective()[0] if self.merged_weight is None else self.merged_weight

    @property
    def bias(self) -> Float[Tensor, " out"]:
        """The bias in effect, in the base's number format."""
        return self._effective()[1] if self.merged_bias is None else self.merged_bias

    @property
    def merged(self) -> bool:
        """Whether scale and shift are merged into one weight and one bias."""
        return self.merged_weight is not None

    def forward(self, x: Float[Tensor, "*batch in"]) -> Float[Tensor, "*batch out"]:
        """Apply the base, scale and shift; one product when merged."""
        if self.merged_weight is not None:
            return F.linear(x, self.merged_weight, self.merged_bias)
        if self.form == "output":
            return scale_and_shift(self.base(x), self.scale, self.shift)
        y: Tensor = self.base(scale_and_shift(x, self.scale, None))
        return y + self.shift.to(y.dtype)

    def merge(self) -> None:
        """Compute weight and bias in effect, once; of a quantised weight a ``ValueError``."""
        if self.merged_weight is None:
            # made in inference mode, they would let no gradient through; leaving the mode turns gradients on
            with torch.inference_mode(False), torch.no_grad():
                self.merged_weight, self.merged_bias = self._effective()

    def unmerge(self) -> None:
        """Let base, scale and shift be computed separately again."""
        self.merged_weight = self.merged_bias = None

    def _effective(self) -> tuple[Tensor, Tensor]:
        check_merges(self.base)
        weight, own = self.base.weight, self.base.bias
        wide = weight.to(torch.promote_types(weight.dtype, self.scale.dtype))
        moved = self.shift if own is None else self.shift + own
        if self.form == "output":
            effective, bias = self.scale[:, None] * wide, self.scale * moved
        else:
            effective, bias = wide * self.scale, moved
        return effective.to(weight.dtype), bias.to(weight.dtype)

    def train(self, mode: bool = True) -> ScaleShiftLinear:
        """Switch the mode; training takes a merge back, since what is merged could not learn."""
        if mode:
            self.unmerge()
        return super().train(mode)

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:
        self.unmerge()  # what was merged would outlive the numbers it was made of
        super()._load_from_state_dict(*args, **kwargs)

    def computation(self) -> dict[str, Any]:
        """Return the form, which the shapes of a square layer leave open, for a delta's header."""
        return {"form": self.form}

    def extra_repr(self) -> str:
        """Show the form in ``print(model)``."""
        return f"form={self.form}, merged={self.merged}"


def scale_and_shift(
    z: Float[Tensor, "*batch width"],
    scale: Float[Tensor, " width"],
    shift: Float[Tensor, " width"] | None,
) -> Float[Tensor, "*batch width"]:
    """Compute s (z + b) in the number format of z.

    In half precision that is z + (s − 1) z + s b with the sum of the first two rounded once, and nothing is written
    out in single precision.

    Args:
        z: Anything.
        scale: The factors s, in single precision or finer.
        shift: The shifts b; None for none.
    """
    if z.dtype.itemsize == 2:
        y: Tensor = _HalfScaleShift.apply(z, scale, shift)
        return y
    return scale * (z if shift is None else z + shift)


class _HalfScaleShift(torch.autograd.Function):
    """Scale and shift of tensors in half precision, with gradients summed in single precision."""

    @staticmethod
    def forward(ctx: Any, z: Tensor, scale: Tensor, shift: Tensor | None) -> Tensor:
        deviation = (scale - 1).to(z.dtype)
        y = torch.addcmul(z, z, deviation)
        if shift is not None:
            y += (scale * shift).to(z.dtype)
        ctx.save_for_backward(z, deviation, scale, shift)
        return y

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, dy: Tensor) -> tuple[Tensor | None, Tensor, Tensor | None]:
        z, deviation, scale, shift = ctx.saved_tensors
        dz = torch.addcmul(dy, dy, deviation) if ctx.needs_input_grad[0] else None
        axes = tuple(range(dy.ndim - 1))
        # summed in single precision inside; asked for as dtype=, it would first be written out so
        of_scale = (dy * z).sum(axes).to(scale.dtype)
        if shift is None:
            return dz, of_scale, None
        total = dy.sum(axes).to(scale.dtype)
        return dz, of_scale + shift * total, scale * total


def linear_layers(model: nn.Module) -> dict[str, nn.Linear]:
    """Find every linear layer of a network but the output embedding of a language model.

    Args:
        model: Any network; of a model of transformers, ``get_output_embeddings`` says which layer that is. A layer
            that shares its weight with another module, as a tied output embedding does, is left out, too.

    Returns:
        Name and layer, in the order of ``named_modules``.

    Raises:
        ValueError: If there is none.
    """
    asked = [getattr(module, "get_output_embeddings", None) for module in model.modules()]
    heads = {id(ask()) for ask in asked if callable(ask)}
    shared = shared_weights(model)
    found = {
        name: layer
        for name, layer in find_modules(model, "*", nn.Linear).items()
        if isinstance(layer, nn.Linear)
        and id(layer) not in heads
        and id(layer.weight) not in shared
    }
    if not found:
        raise ValueError(
            f"this {type(model).__name__} has no linear layer beside its output embedding"
        )
    return found


def shared_weights(model: nn.Module) -> set[int]:
    """Collect the identities of parameters that several modules hold."""
    holders: dict[int, set[int]] = {}
    for module in model.modules():
        for parameter in module._parameters.values():
            if parameter is not None:
                holders.setdefault(id(parameter), set()).add(id(module))
    return {parameter for parameter, modules in holders.items() if len(modules) > 1}


def attach_scale_shift(
    model: M, targets: str | Iterable[str] | None = None, form: Form = "output"
) -> M:
    """Put scale and shift on linear layers, and freeze everything else.

    Args:
        model: The network, changed in place.
        targets: One pattern or several, as in :func:`~mfnet_lite.tuning.matches`; None for
            :func:`linear_layers`, which is what EarthGPT tunes.
        form: Whether outputs or inputs are scaled.

    Returns:
        The same model; :func:`~mfnet_lite.tuning.detach` removes scale and shift again.

    Raises:
        ValueError: If there is no linear layer of that name, its weights cannot compute, or it shares its weight with
            another module.
    """
    found = linear_layers(model) if targets is None else dict(_chosen(model, targets))
    for name, layer in found.items():
        check_linear(layer, name)
    # inner modules first: once an outer one is wrapped, their names lead elsewhere
    for name in sorted(found, key=lambda name: -name.count(".")):
        wrapper = ScaleShiftLinear(found[name], form)
        wrapper.train(found[name].training)
        replace_module(model, name, wrapper)
    return freeze(model)


def _chosen(model: nn.Module, targets: str | Iterable[str]) -> Iterator[tuple[str, nn.Linear]]:
    """Yield the layers that patterns name; none may share its weight."""
    shared = shared_weights(model)
    for name, layer in find_modules(model, targets, nn.Linear).items():
        assert isinstance(layer, nn.Linear)
        if id(layer.weight) in shared:
            raise ValueError(
                f"{name} shares its weight with another module (a tied embedding), from which merging scale and "
                "shift would part it; leave it out of the targets, or untie the weights first"
            )
        yield name, layer
