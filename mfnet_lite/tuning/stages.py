"""What EarthGPT trains of its language model: attention and norms first, then scale and shift alone.

Stage 1 (cross-modal mutual comprehension) unfreezes the projections of self-attention and every RMSNorm, stage 2
(unified instruction tuning) freezes them as they are by then and trains scale and shift of every linear layer
(Zhang et al. 2024, arXiv 2401.16822). The projection of visual tokens is the caller's to train. In the paper's figure
the output projection of attention is drawn frozen while the text speaks of self-attention as a whole: it is an option.
"""

from __future__ import annotations

from torch import nn

from mfnet_lite.tuning.inject import InjectedWrapper
from mfnet_lite.tuning.scale_shift import Form, attach_scale_shift

__all__ = ["train_attention_and_norms", "train_scale_and_shift"]

PROJECTIONS = ("q_proj", "k_proj", "v_proj")
OUTPUT = "o_proj"
"""Names of the LLaMA family in transformers."""


def train_attention_and_norms(model: nn.Module, output_projection: bool = False) -> tuple[str, ...]:
    """Let exactly query, key and value projections and all RMSNorms train (stage 1).

    Args:
        model: A language model of the LLaMA family, changed in place; everything else in it is frozen.
        output_projection: Whether the output projection of attention trains, too.

    Returns:
        Names of the parameters that train, in the order of ``named_parameters``.

    Raises:
        ValueError: If something is injected, or the model has no such projections or norms.
    """
    for name, module in model.named_modules():
        if isinstance(module, InjectedWrapper):
            raise ValueError(
                f"{name} is a {type(module).__name__}: stage 1 trains the weights themselves and comes before "
                "anything is injected; call detach first, or merge_and_unload to keep what was learned"
            )
    wanted = (*PROJECTIONS, OUTPUT) if output_projection else PROJECTIONS
    modules = dict(model.named_modules())
    attention = [
        n for n, m in modules.items() if n.split(".")[-1] in wanted and isinstance(m, nn.Linear)
    ]
    lacking = [part for part in wanted if not any(n.endswith(part) for n in attention)]
    norms = [n for n, m in modules.items() if type(m).__name__.endswith("RMSNorm")]
    if lacking or not norms:
        raise ValueError(
            f"stage 1 needs layers named {', '.join(wanted)} and RMSNorms as in LLaMA, this "
            f"{type(model).__name__} has no {lacking[0] if lacking else 'RMSNorm'}; take a model of the LLaMA family"
        )
    model.requires_grad_(False)
    for name in (*attention, *norms):
        modules[name].requires_grad_(True)
    return trained_names(model)


def train_scale_and_shift(model: nn.Module, form: Form = "output") -> tuple[str, ...]:
    """Let exactly scale and shift of every linear layer train (stage 2).

    Args:
        model: A language model, changed in place: everything it has is frozen, and every linear layer but the output
            embedding gets a scale and a shift.
        form: As in :func:`~mfnet_lite.tuning.attach_scale_shift`.

    Returns:
        Names of the parameters that train, in the order of ``named_parameters``.

    Raises:
        ValueError: If there is no linear layer, or one whose weights cannot compute.
    """
    return trained_names(attach_scale_shift(model, None, form))


def trained_names(model: nn.Module) -> tuple[str, ...]:
    """Return the names of the parameters that train."""
    return tuple(name for name, p in model.named_parameters() if p.requires_grad)
