"""The optimiser over what is trainable, with or without decay."""

from __future__ import annotations

import re
from typing import Any

import torch
from torch import nn

from mfnet_lite.training.config import TrainConfig

_SPARED = re.compile(r"(?:^|_)(?:bias|embed|pos|token|table|prompt)")
"""In a parameter's own name: what is added to a map or looked up, not multiplied with one."""


def build_optimizer(
    model: nn.Module, config: TrainConfig, sharded: bool = False
) -> torch.optim.Optimizer:
    """Make the optimiser over the trainable parameters.

    Args:
        model: The model.
        config: Its fields ``optimizer``, ``lr``, ``weight_decay``, ``decay_all``, ``momentum``.
        sharded: Whether each of several processes, which must have met, keeps the state of its share of the
            parameters only (ZeRO, stage 1: Rajbhandari et al. 2020).

    Raises:
        ValueError: If nothing is trainable.
    """
    trainable = [p for p in model.parameters() if p.requires_grad]
    if not trainable:
        raise ValueError("the model has no trainable parameter; unfreeze or attach something first")
    chosen = {id(p) for p in trainable} if config.decay_all else set(map(id, decayed(model)))
    groups = [
        {
            "params": [p for p in trainable if id(p) in chosen],
            "weight_decay": config.weight_decay,
        },
        {"params": [p for p in trainable if id(p) not in chosen], "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    kind: type[torch.optim.Optimizer] = torch.optim.AdamW
    settings: dict[str, Any] = {"lr": config.lr}
    if config.optimizer == "sgd":
        kind, settings = torch.optim.SGD, settings | {"momentum": config.momentum}
    if sharded:
        from torch.distributed.optim import ZeroRedundancyOptimizer

        return ZeroRedundancyOptimizer(groups, kind, **settings)
    return kind(groups, **settings)


def decayed(model: nn.Module) -> list[nn.Parameter]:
    """List the trainable parameters that are the weights of maps: of linear layers, convolutions, LoRA.

    Pulling a bias, a norm's scale, an embedding or a mixing scalar towards 0 regularises nothing. The number
    of axes does not tell them apart: parameters of several sensors are stacked, so that a bias is a matrix
    too. What counts is the role, by the class of the module and the name of the parameter.

    Args:
        model: Any network.

    Returns:
        Each parameter once, in the order of ``model.modules()``.

    Example:
        >>> net = nn.Sequential(nn.Embedding(5, 4), nn.LayerNorm([2, 4]), nn.Linear(4, 3))
        >>> [tuple(weight.shape) for weight in decayed(net)]
        [(3, 4)]
    """
    found = {
        id(parameter): parameter
        for module in model.modules()
        if not isinstance(module, nn.Embedding | nn.EmbeddingBag) and not _is_norm(module)
        for name, parameter in module._parameters.items()
        if parameter is not None
        and parameter.requires_grad
        and parameter.ndim > 1  # scalars, also one per sensor
        and not _SPARED.search(name)
    }
    return list(found.values())


def _is_norm(module: nn.Module) -> bool:
    """Whether a module normalises: torch's norms, SAM's ``LayerNorm2d``, timm's, ``SensorNorm``."""
    return any("norm" in kind.__name__.lower() for kind in type(module).__mro__)
