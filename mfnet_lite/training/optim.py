"""The optimiser over what is trainable, with or without decay."""

from __future__ import annotations

import torch
from torch import nn

from mfnet_lite.training.config import TrainConfig


def build_optimizer(model: nn.Module, config: TrainConfig) -> torch.optim.Optimizer:
    """Make the optimiser over the trainable parameters.

    Args:
        model: the model.
        config: its fields ``optimizer``, ``lr``, ``weight_decay``, ``decay_all``, ``momentum``.

    Raises:
        ValueError: if nothing is trainable.
    """
    trainable = [p for p in model.parameters() if p.requires_grad]
    if not trainable:
        raise ValueError("the model has no trainable parameter; unfreeze or attach something first")
    # pulling a bias, a norm's scale or a mixing scalar towards 0 regularises nothing
    decayed = [p for p in trainable if config.decay_all or p.ndim > 1]
    others = [p for p in trainable if not (config.decay_all or p.ndim > 1)]
    groups = [
        {"params": decayed, "weight_decay": config.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    if config.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=config.lr, momentum=config.momentum)
    return torch.optim.AdamW(groups, lr=config.lr)
