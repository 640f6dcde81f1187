r"""How sensors are fused: one learned scalar per sensor.

MFNet (Ma et al. 2025) lets two branches exchange by a weighted sum with one scalar each,
:math:`w_x\,f_x + (1-w_x)\,f_y`. For M sensors the remainder goes to the mean of the others:

.. math:: \mathrm{out}_m = w_m f_m + (1-w_m)\,\frac{1}{|O_m|}\sum_{n\in O_m} f_n ,

where :math:`O_m` are the *other* sensors that are present. At M = 2 this is the authors' rule, at
M = 1 (or where all others are missing) a sensor keeps the whole of its own. As in the authors' code
nothing keeps :math:`w_m` between 0 and 1.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from mfnet_lite.tuning.multimodal.stacked import check_modality_mask, zero_fill

__all__ = ["fuse_sensors", "mixing_matrix"]


def mixing_matrix(
    weights: Float[Tensor, " sensor"], modality_mask: Bool[Tensor, "batch sensor"] | None = None
) -> Float[Tensor, "batch sensor other"]:
    """Write the mixing rule as one small matrix per sample.

    Args:
        weights: The share w that each sensor keeps of its own, any real number.
        modality_mask: Which sensors each sample has; None if all samples have all.

    Returns:
        Coefficients ``c[b, m, n]`` of what sensor m takes from sensor n. Rows sum to one; a missing
        sensor gives nothing to others. Without ``modality_mask`` the batch axis has length 1.

    Raises:
        ValueError: If ``modality_mask`` is not a boolean tensor of that shape.

    Example:
        >>> mixing_matrix(torch.tensor([0.75, 0.5, 0.25]))[0]
        tensor([[0.7500, 0.1250, 0.1250],
                [0.2500, 0.5000, 0.2500],
                [0.3750, 0.3750, 0.2500]])
        >>> mixing_matrix(torch.tensor([0.75, 0.5]), torch.tensor([[True, False]]))[0]
        tensor([[1.0000, 0.0000],
                [0.5000, 0.5000]])
    """
    sensors = len(weights)
    if modality_mask is None:
        modality_mask = torch.ones(1, sensors, dtype=torch.bool, device=weights.device)
    check_modality_mask(modality_mask, sensors)
    own = torch.eye(sensors, dtype=torch.bool, device=weights.device)
    others = modality_mask[:, None, :] & ~own
    count = others.sum(dim=-1, keepdim=True)
    share = torch.where(count > 0, weights[:, None], torch.ones_like(weights)[:, None])
    given = (1 - share) / count.clamp(min=1)
    return torch.where(own, share, given * others)


def fuse_sensors(
    x: Float[Tensor, "sensor batch *grid channels"],
    matrix: Float[Tensor, "batch sensor other"],
    modality_mask: Bool[Tensor, "batch sensor"] | None = None,
) -> Float[Tensor, "sensor batch *grid channels"]:
    """Give each sensor the weighted sum of the maps of all sensors, by :func:`mixing_matrix`.

    Args:
        x: One map per sensor, sensors leading.
        matrix: Coefficients; a batch axis of length 1 holds for all samples.
        modality_mask: Which sensors each sample has. Maps of missing ones are read as zeros, so that they may
            hold anything, even NaN; None if all maps hold numbers.

    Returns:
        ``out[m, b] = Σ_n matrix[b, m, n] · x[n, b]``.
    """
    matrix, x = matrix.to(x.dtype), zero_fill(x, modality_mask)
    if matrix.shape[0] == 1:  # one product of a tiny matrix with one wide one
        return (matrix[0] @ x.flatten(1)).reshape(x.shape)
    return torch.einsum("b m n, n b ... -> m b ...", matrix, x)
