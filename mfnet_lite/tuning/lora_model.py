"""LoRA for a whole network of any kind, attached by name; LoRA and scale and shift merged, unmerged, or unloaded."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

import torch
from torch import nn

from mfnet_lite.tuning.frozen import check_linear, check_merges
from mfnet_lite.tuning.inject import (
    attach,
    find_modules,
    injected_modules,
    places_of,
    replace_module,
)
from mfnet_lite.tuning.lora import Init, LoRALayer, LoRALinear, LoRAQKV
from mfnet_lite.tuning.scale_shift import ScaleShiftLinear
from mfnet_lite.tuning.weight_readers import check_acts

__all__ = ["attach_lora", "merge", "merge_and_unload", "unmerge"]

M = TypeVar("M", bound=nn.Module)
MERGEABLE = (LoRALayer, ScaleShiftLinear)
"""What one weight and one bias can hold."""


def attach_lora(
    model: M,
    targets: str | Iterable[str] = ("qkv",),
    rank: int = 4,
    alpha: float | None = None,
    dropout: float = 0.0,
    parts: str = "qv",
    init: Init = "kaiming",
    seed: int | None = None,
    fused: bool | None = None,
) -> M:
    """Put LoRA on every linear layer that the patterns name, and freeze everything else.

    A layer that is registered twice gets one LoRA, which works in both places. Two layers of one weight (an output
    head tied to its embedding) stay two: only those named get an update, each one of its own.

    Args:
        model: Any network, changed in place.
        targets: One pattern or several, as in :func:`mfnet_lite.tuning.matches`, such as ``("qkv", "mlp.lin1")``.
        rank: Rank of each update.
        alpha: Numerator of the scaling, None for ``rank``.
        dropout: Share of the updates' inputs dropped in training.
        parts: Which of the q, k and v slices of a fused layer are adapted.
        init: How every A starts.
        seed: Seed of the A's; None draws from torch's own generator, as new layers do.
        fused: Whether the layers are fused qkv layers. None decides for each: it is one if its name ends
            in ``qkv`` and it has three times as many rows as columns.

    Returns:
        The same model; only the updates have ``requires_grad``.

    Raises:
        ValueError: If there is no pattern, one fits no linear layer, a layer's weights cannot compute (integers
            in a plain ``nn.Linear``), an option is out of range, or dropout is asked for where it would never act.
    """
    targets = (
        (targets,) if isinstance(targets, str) else tuple(targets)
    )  # an iterator is read twice
    generator = None if seed is None else torch.Generator().manual_seed(seed)
    names = {module: name for name, module in find_modules(model, targets, nn.Linear).items()}
    for module, name in names.items():
        check_linear(module, name)
        for place in places_of(model, module):
            check_acts(model, place, dropout)

    def wrap(base: nn.Module) -> LoRALayer:
        assert isinstance(base, nn.Linear)
        looks_fused = names[base].endswith("qkv") and base.out_features == 3 * base.in_features
        if looks_fused if fused is None else fused:
            return LoRAQKV(base, parts, rank, alpha, dropout, init, generator)
        return LoRALinear(base, rank, alpha, dropout, init, generator)

    return attach(model, targets, wrap, nn.Linear)


def merge(model: M) -> M:
    """Merge every LoRA, and every scale and shift, inside a model: the same outputs at the cost of the plain network.

    Args:
        model: A network with either, changed in place.

    Returns:
        The same model. Putting it into training mode unmerges it. Without injected modules nothing happens.

    Raises:
        ValueError: If there are injected modules, but none that one weight can hold, or a base's weight is
            quantised; nothing is merged then.
    """
    _refuse_others(model)
    for module in model.modules():
        if isinstance(module, MERGEABLE):
            module.merge()
    return model


def unmerge(model: M) -> M:
    """Take :func:`merge` back; every weight is bit for bit what it was before.

    Args:
        model: A network with either, changed in place.

    Returns:
        The same model.
    """
    for module in model.modules():
        if isinstance(module, MERGEABLE):
            module.unmerge()
    return model


def merge_and_unload(model: M) -> M:
    """Give every base the weight in effect for good and remove the wrappers, as peft's method of that name.

    For shipping: the result is a plain network of the original classes and state-dict keys; a layer without a bias
    gets one where a shift was learned. The original weights are gone; to keep them, use :func:`merge`.

    A layer that shared its weight with another module (an output head tied to its embedding) has one of its own
    afterwards, and the other module keeps what it had. To save such a network with transformers, set
    ``config.tie_word_embeddings = False`` first, since loading may tie both again.

    Args:
        model: A network with either, changed in place.

    Returns:
        The same model, without what was merged.

    Raises:
        ValueError: As in :func:`merge`, or if the model itself is what would be removed.
    """
    _refuse_others(model)
    if isinstance(model, MERGEABLE):
        raise ValueError(
            f"the model is itself a {'LoRA' if isinstance(model, LoRALayer) else 'scale and shift'} "
            f"({type(model).__name__}), which cannot replace itself; give the network that holds it"
        )
    for name, module in [(n, m) for n, m in model.named_modules() if isinstance(m, MERGEABLE)]:
        module.merge()
        trains = module.base.weight.requires_grad
        with torch.inference_mode(False):  # what is made in that mode can never be trained
            # A new parameter, nothing written into the old one: an embedding, another layer with an update of its own
            # or a network around this model may hold that, too, and would change with it.
            weight = module.weight.detach().clone()
            module.base.weight = nn.Parameter(weight, requires_grad=trains)
            if module.bias is not None and module.bias is not module.base.bias:
                bias = module.bias.detach().clone()
                module.base.bias = nn.Parameter(bias, requires_grad=trains)
        replace_module(model, name, module.base)
    return model


def _refuse_others(model: nn.Module) -> None:
    """Raise if something was injected that no weight can take."""
    layers = {
        name: module for name, module in model.named_modules() if isinstance(module, MERGEABLE)
    }
    for name, layer in layers.items():
        check_merges(layer.base, name)
    if layers:
        return
    for name, module, injected in injected_modules(model):
        if injected:
            raise ValueError(
                f"nothing of this {type(model).__name__} can be merged: one weight cannot hold "
                f"{name or 'the model'} ({type(module).__name__}), which differs from sensor to sensor or "
                "is not linear; run it as it is, only what attach_lora or attach_scale_shift adds can be merged"
            )
