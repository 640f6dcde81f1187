"""What the forms for several sensors share: the stacked shape, its checks, and how weights start."""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor

__all__: list[str] = []  # what LoRA, adapters and networks share; not part of the interface

Stacked = Float[Tensor, "sensor batch *grid channels"]
ModalityMask = Bool[Tensor, "batch sensor"]
FIRST_SHARE = 0.5
"""What a sensor keeps of its own before training, as in the authors' code."""


def uniform_like_linear_(
    weight: Tensor, inputs: int, generator: torch.Generator | None = None
) -> None:
    """Fill as ``nn.Linear`` does, uniform in ±1/√inputs.

    Args:
        weight: One small weight or bias per sensor, filled in place.
        inputs: What a sensor's layer reads, channels.
        generator: Source of the values; the global one if None.
    """
    # nn.init.kaiming_uniform_(a=√5) has this bound for one matrix, but would count a leading sensor axis as inputs.
    bound = 1 / math.sqrt(inputs)
    with torch.no_grad():
        weight.uniform_(-bound, bound, generator=generator)


def zero_fill(x: Stacked, modality_mask: ModalityMask | None) -> Stacked:
    """Put zeros where a sample lacks a sensor, whatever was there.

    A coefficient of zero is not enough: zero times NaN is NaN, in the result and, through the products
    with the small weights, in their gradients.

    Args:
        x: One map per sensor.
        modality_mask: Which sensors each sample has; None for all.

    Returns:
        The maps, zero where a sensor is missing.

    Example:
        >>> x = torch.tensor([[[1.0]], [[torch.nan]]])  # two sensors, one sample
        >>> zero_fill(x, torch.tensor([[True, False]])).flatten()
        tensor([1., 0.])
    """
    if modality_mask is None:
        return x
    check_modality_mask(modality_mask, x.shape[0], x.shape[1])
    here = modality_mask.T.reshape(*x.shape[:2], *[1] * (x.ndim - 2))
    return torch.where(here, x, 0.0)


def check_counts(**counts: int) -> None:
    """Reject counts below one.

    Raises:
        ValueError: If one is, by its name.
    """
    for name, count in counts.items():
        if count < 1:
            raise ValueError(f"{name} must be at least 1, got {count}")


def check_modality_mask(modality_mask: object, sensors: int, batch: int | None = None) -> None:
    """Reject anything but true and false for every sample and sensor.

    Args:
        modality_mask: What was given.
        sensors: Number of sensors.
        batch: Number of samples; any if None.

    Raises:
        ValueError: If it is not a boolean tensor (batch, sensors).
    """
    if isinstance(modality_mask, Tensor):
        found = f"{modality_mask.dtype} of shape {tuple(modality_mask.shape)}"
        expected = (
            modality_mask.shape[0] if modality_mask.ndim and batch is None else batch,
            sensors,
        )
        if modality_mask.dtype == torch.bool and tuple(modality_mask.shape) == expected:
            return
    else:
        found = f"an object of type {type(modality_mask).__name__}"
    raise ValueError(
        f"expected a boolean modality_mask of shape ({'batch' if batch is None else batch}, {sensors}) "
        f"(batch, sensors), got {found}; give a tensor such as torch.tensor([[True, False]])"
    )


def check_stacked(x: Tensor, sensors: int) -> tuple[int, int]:
    """Return sensors and batch of a stacked tensor.

    Raises:
        ValueError: If it is no such tensor or has another number of sensors.
    """
    if x.ndim < 3 or x.shape[0] != sensors:
        raise ValueError(
            f"expected ({sensors} sensors, batch, …, channels), got {tuple(x.shape)}; "
            "sensors are stacked on the first axis"
        )
    return x.shape[0], x.shape[1]
