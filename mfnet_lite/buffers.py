"""Which buffers belong to what was trained: one rule for run folders and for delta checkpoints."""

from __future__ import annotations

from torch import nn

__all__ = ["owner_trains"]


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
