r"""From queries to a score for every class and pixel, at inference.

In the closed form every query speaks for all classes, in the open form for its own alone; with masks
:math:`m_q = \sigma(\cdot)`

.. math::
    s_k = \sum_q p_q(k)\, m_q \quad\text{(closed, "no object" left out)}, \qquad s_k = p_k\, m_k \quad\text{(open)}.

The logarithm is returned, so that argmax and softmax over classes can follow as after any other network: softmax then
divides the scores by their sum.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F


def scores_of_queries(
    class_logits: Float[Tensor, "batch query choice"] | Float[Tensor, "batch query"],
    mask_logits: Float[Tensor, "batch query height width"],
) -> Float[Tensor, "batch class height width"]:
    """Score every class at every pixel.

    Args:
        class_logits: Of the closed form, ``(batch, query, classes + 1)`` with "no object" at last, or of the open
            form, ``(batch, query)``.
        mask_logits: Masks; enlarge them before, not the scores.

    Returns:
        Logarithms of scores, in single precision at least and finite. In the open form at most 0; in the closed form
        at most log(queries), since a class may get a share of several masks.

    Raises:
        ValueError: If shapes do not fit.

    Example:
        >>> masks = torch.tensor([[[[0.0]], [[50.0]]]])
        >>> scores_of_queries(torch.tensor([[50.0, 0.0]]), masks).exp().flatten()
        tensor([0.5000, 0.5000])
    """
    if class_logits.shape[:2] != mask_logits.shape[:2] or class_logits.ndim not in (2, 3):
        raise ValueError(
            "expected class logits (batch, query, classes + 1) or (batch, query) and masks (batch, query, height, "
            f"width), got {tuple(class_logits.shape)} and {tuple(mask_logits.shape)}"
        )
    class_logits, mask_logits = (
        x.to(torch.promote_types(x.dtype, torch.float32)) for x in (class_logits, mask_logits)
    )
    inside = F.logsigmoid(mask_logits)
    if class_logits.ndim == 2:
        return F.logsigmoid(class_logits)[:, :, None, None] + inside
    share = class_logits.log_softmax(dim=-1)[..., :-1]
    # the largest terms are taken out before exp, so that nothing that matters underflows
    most_inside = inside.amax(dim=1, keepdim=True)
    # a class that all queries exclude has a share of exp(-inf)
    most_share = share.amax(dim=1).clamp(min=torch.finfo(share.dtype).min)
    total = torch.einsum(
        "bqk,bqhw->bkhw", (share - most_share[:, None]).exp(), (inside - most_inside).exp()
    )
    smallest = torch.finfo(total.dtype).tiny
    return total.clamp(min=smallest).log() + most_inside + most_share[:, :, None, None]
