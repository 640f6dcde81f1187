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
        config: Its fields ``optimizer``, ``lr``, ``mixing_lr``, ``weight_decay``, ``decay_all``, ``momentum``.
        sharded: Whether each of several processes, which must have met, keeps the state of its share of the
            parameters only (ZeRO, stage 1: Rajbhandari et al. 2020).

    Raises:
        ValueError: If nothing is trainable, or if mixing weights that the model lacks get a rate of their own.

    Returns:
        Groups with a key ``"times_lr"``, by which a schedule multiplies its learning rate.
    """
    trainable = [p for p in model.parameters() if p.requires_grad]
    if not trainable:
        raise ValueError("the model has no trainable parameter; unfreeze or attach something first")
    check_mixing(model, config)
    mixing = set() if config.mixing_lr == 1 else set(map(id, mixing_weights(model)))
    chosen = {id(p) for p in trainable} if config.decay_all else set(map(id, decayed(model)))
    groups: list[dict[str, Any]] = [
        {
            "params": [p for p in trainable if id(p) in own and (id(p) in chosen) == decays],
            "weight_decay": config.weight_decay if decays else 0.0,
            "times_lr": times,
        }
        for times, own in ((1.0, {id(p) for p in trainable} - mixing), (config.mixing_lr, mixing))
        for decays in (True, False)
    ]
    groups = [group | {"lr": config.lr * group["times_lr"]} for group in groups if group["params"]]
    kind: type[torch.optim.Optimizer] = torch.optim.AdamW
    settings: dict[str, Any] = {"lr": config.lr}
    if config.optimizer == "sgd":
        kind, settings = torch.optim.SGD, settings | {"momentum": config.momentum}
    if sharded:
        from torch.distributed.optim import ZeroRedundancyOptimizer

        return ZeroRedundancyOptimizer(groups, kind, **settings)
    return kind(groups, **settings)


def check_mixing(model: nn.Module, config: TrainConfig) -> None:
    """Refuse a learning rate for mixing weights that are not there.

    Args:
        model: The network that is to be trained.
        config: Its field ``mixing_lr``.

    Raises:
        ValueError: If the rate is not that of the other weights, and nothing would learn at it.
    """
    if config.mixing_lr != 1 and not mixing_weights(model):
        raise ValueError(
            f"mixing_lr is {config.mixing_lr:g}, and the model has no mixing weights to train: expected "
            "MMLoRA or MMAdapter with several sensors; leave mixing_lr at 1"
        )


def mixing_weights(model: nn.Module) -> list[nn.Parameter]:
    """List the trainable shares w that MMLoRA and MMAdapter keep of a sensor's own update.

    Args:
        model: Any network.

    Returns:
        One parameter of a number per sensor for each place where sensors exchange; empty without any. A
        sensor that is alone keeps the whole of its own, whatever its share, so that is none.
    """
    found = [module._parameters.get("mix") for module in model.modules()]
    return [w for w in found if w is not None and w.requires_grad and w.numel() > 1]


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
