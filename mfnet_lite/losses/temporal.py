r"""Temporal constraint of SAM-CD: where nothing changed, both dates should mean the same.

Ding et al., "Adapting Segment Anything Model for Change Detection in VHR Remote Sensing Images", IEEE
TGRS 2024, arXiv 2309.01429. With class-free latent maps of both dates, softened by a temperature T,

.. math:: L_t = \frac{1}{N} \sum_{p\ \mathrm{unchanged}} \bigl(1 - \cos(u_p, v_p)\bigr),
          \quad u = \mathrm{softmax}(l_1/T),\ v = \mathrm{softmax}(l_2/T),

where N counts *all* pixels: an image that changed much weighs little (see *Paper versus code*).
"""

from __future__ import annotations

from jaxtyping import Bool, Float, Int
from torch import Tensor

from mfnet_lite.losses.precision import at_least_single

__all__ = ["temporal_similarity"]

TINY = 1e-12


def temporal_similarity(
    l1: Float[Tensor, "batch latent height width"],
    l2: Float[Tensor, "batch latent height width"],
    changed: Bool[Tensor, "batch height width"] | Int[Tensor, "batch height width"],
    temperature: float = 3.0,
    per_unchanged: bool = False,
) -> Float[Tensor, ""]:
    """One minus the cosine of both dates' soft meanings, over unchanged pixels.

    Args:
        l1: Latent logits of the first date.
        l2: Those of the second.
        changed: Any value but zero counts as changed; a leading channel axis of 1 is accepted too.
        temperature: T; larger ones spread the distributions.
        per_unchanged: Divide by the number of unchanged pixels instead of all, so that the share of
            change does not scale the loss, as :class:`mfnet_lite.nets.change_detector.ChangeDetector` does unless told
            otherwise. The authors' code divides by all.

    Returns:
        The loss in [0, 1), 0 for equal maps. Both dates get gradients.

    Raises:
        ValueError: If shapes do not fit or the temperature is not positive.

    Example:
        >>> import torch
        >>> l1 = torch.tensor([1.0, 0.0]).reshape(1, 2, 1, 1)
        >>> temporal_similarity(l1, -l1, torch.zeros(1, 1, 1, dtype=torch.bool))
        tensor(0.0531)
    """
    if changed.ndim == 4 and changed.shape[1] == 1:
        changed = changed[:, 0]
    if l1.shape != l2.shape or l1.ndim != 4 or changed.shape != (l1.shape[0], *l1.shape[2:]):
        raise ValueError(
            "expected two latent maps (batch, latent, height, width) of one shape and a change map "
            f"(batch, height, width), got {tuple(l1.shape)}, {tuple(l2.shape)} and "
            f"{tuple(changed.shape)}"
        )
    if not temperature > 0:
        raise ValueError(f"temperature must be positive, got {temperature}")
    u = (at_least_single(l1) / temperature).softmax(dim=1)
    v = (at_least_single(l2) / temperature).softmax(dim=1)
    norms = ((u.square().sum(dim=1) + TINY) * (v.square().sum(dim=1) + TINY)).sqrt()
    distance = 1 - (u * v).sum(dim=1) / norms
    unchanged = (changed == 0).to(u.dtype)
    count = unchanged.sum().clamp(min=1) if per_unchanged else unchanged.numel()
    return (distance * unchanged).sum() / count
