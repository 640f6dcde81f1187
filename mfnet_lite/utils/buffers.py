"""Which buffers belong to what was trained: one rule for run folders and for delta checkpoints."""

from __future__ import annotations

from torch import nn

__all__ = ["keep_frozen_statistics", "owner_trains"]


def owner_trains(model: nn.Module, buffer: str) -> bool:
    """Whether the nearest module around a buffer that has parameters has a trainable one.

    So the statistics of a frozen encoder are base, and those of a trained decoder come along with it.

    Args:
        model: Any network, with ``requires_grad`` set as during training.
        buffer: Name of the buffer, as in ``state_dict``.

    Example:
        >>> net = nn.Sequential(nn.BatchNorm2d(2), nn.BatchNorm2d(2).requires_grad_(False))
        >>> owner_trains(net, "0.running_mean"), owner_trains(net, "1.running_mean")
        (True, False)
    """
    prefix = buffer.rpartition(".")[0]
    while True:
        try:
            flags = [p.requires_grad for p in model.get_submodule(prefix).parameters()]
        except AttributeError:  # quantised layers write what belongs to a weight as "weight.absmax"
            flags = []
        if flags or not prefix:
            return any(flags)
        prefix = prefix.rpartition(".")[0]


def keep_frozen_statistics(model: nn.Module) -> None:
    """Put normalisation layers that are not trained into evaluation mode; call it after ``model.train()``.

    Otherwise a batch norm layer whose weights are frozen goes on averaging its inputs: the frozen network is no
    longer the one that was loaded, and what was trained beside it is saved without what moved.

    Args:
        model: Any network, with ``requires_grad`` set as during training.

    Example:
        >>> net = nn.Sequential(nn.BatchNorm2d(2), nn.BatchNorm2d(2).requires_grad_(False)).train()
        >>> keep_frozen_statistics(net)
        >>> net[0].training, net[1].training
        (True, False)
    """
    for name, module in model.named_modules():
        if getattr(module, "running_mean", None) is not None:
            buffer = f"{name}.running_mean" if name else "running_mean"
            if not owner_trains(model, buffer):
                module.eval()
