r"""How much rank an update of a weight really has, by its singular values.

LoRA rests on an observation: what fine-tuning adds to a weight matrix needs few directions (Aghajanyan
et al. 2021, arXiv 2012.13255, on the intrinsic dimension of a whole model; Hu et al. 2022, section 7, on
single matrices). The singular value decomposition makes it visible. For an update
:math:`\Delta W = \sum_i \sigma_i u_i v_i^T` the best matrix of rank r keeps the first r terms, and the
share of the squared norm it keeps is :math:`\sum_{i\le r}\sigma_i^2 / \sum_i\sigma_i^2` (Eckart and
Young 1936).
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn

from mfnet_lite.tuning.lora import LoRALayer, LoRALinear, LoRAQKV

__all__ = [
    "energy_by_rank",
    "rank_for_energy",
    "set_update",
    "truncate_rank",
    "weight_updates",
]


def energy_by_rank(matrix: Float[Tensor, "out in"]) -> Float[Tensor, " rank"]:
    """Give the share of a matrix's squared norm that its best approximation of each rank keeps.

    Args:
        matrix: Any matrix; computed in float64.

    Returns:
        min(out, in) numbers, rising to 1; the first is for rank 1. All 1 for a matrix of zeros, which
        rank 0 already equals.

    Example:
        >>> energy_by_rank(torch.diag(torch.tensor([3.0, 4.0])))
        tensor([0.6400, 1.0000], dtype=torch.float64)
    """
    squares = torch.linalg.svdvals(matrix.detach().double()).square()
    total = squares.sum()
    return squares.cumsum(0) / total if total > 0 else torch.ones_like(squares)


def rank_for_energy(matrix: Float[Tensor, "out in"], share: float = 0.9) -> int:
    """Find the smallest rank that keeps a share of the squared norm.

    Args:
        matrix: Any matrix.
        share: The share to keep, above 0 and at most 1.

    Returns:
        The rank, 0 for a matrix of zeros.

    Raises:
        ValueError: If the share is out of range.

    Example:
        >>> rank_for_energy(torch.diag(torch.tensor([3.0, 4.0])), 0.6)
        1
    """
    if not 0 < share <= 1:
        raise ValueError(f"expected a share above 0 and at most 1, got {share}")
    if not matrix.any():
        return 0
    # the last sums of squares differ from 1 by rounding only
    return int((energy_by_rank(matrix) < share - 1e-12).sum()) + 1


def truncate_rank(
    matrix: Float[Tensor, "out in"], rank: int
) -> tuple[Float[Tensor, "out rank"], Float[Tensor, "rank in"]]:
    """Factor the best approximation of a rank into B and A of equal norm.

    Args:
        matrix: Such as a full update ΔW.
        rank: At least 1. Beyond min(out, in) the factors are filled with zeros.

    Returns:
        B and A with BA the approximation, in the matrix's dtype.

    Raises:
        ValueError: If the rank is below 1.

    Example:
        >>> b, a = truncate_rank(torch.diag(torch.tensor([3.0, 4.0])), rank=1)
        >>> (b @ a).round(decimals=4).abs()
        tensor([[0., 0.],
                [0., 4.]])
    """
    if rank < 1:
        raise ValueError(f"expected a rank of at least 1, got {rank}")
    u, s, vh = torch.linalg.svd(matrix.detach().double(), full_matrices=False)
    root = s[:rank].sqrt()
    b, a = u[:, :rank] * root, root[:, None] * vh[:rank]
    missing = rank - len(root)
    if missing > 0:
        b, a = nn.functional.pad(b, (0, missing)), nn.functional.pad(a, (0, 0, 0, missing))
    return b.to(matrix.dtype), a.to(matrix.dtype)


def weight_updates(
    before: Mapping[str, Tensor], after: Mapping[str, Tensor]
) -> dict[str, Float[Tensor, "out in"]]:
    """Subtract two state dicts: what training did to every matrix.

    Args:
        before: ``state_dict`` of the network before training (a copy: training changes it in place).
        after: The same network's afterwards.

    Returns:
        Name and after − before of every two-dimensional floating tensor that both hold in one shape and
        that training changed.
    """
    updates = {}
    for name, old in before.items():
        new = after.get(name)
        if new is None or old.ndim != 2 or new.shape != old.shape or not old.is_floating_point():
            continue
        if not torch.equal(old, new):
            updates[name] = (new - old).detach()
    return updates


@torch.no_grad()
def set_update(layer: LoRALayer, update: Float[Tensor, "out in"]) -> None:
    """Give a LoRA the best A and B for a given update: compress a full fine-tuning after the fact.

    Args:
        layer: A :class:`LoRALinear` or :class:`LoRAQKV`; unmerged if it was merged.
        update: ΔW of the whole layer. For a fused qkv every chosen slice is approximated by itself; the
            rows of the others are ignored.

    Raises:
        ValueError: If the shape is not the layer's, or the layer is of another kind.

    Example:
        >>> layer = LoRALinear(nn.Linear(3, 2), rank=2, alpha=1)
        >>> set_update(layer, torch.ones(2, 3))
        >>> torch.allclose(layer.delta_weight(), torch.ones(2, 3))
        True
    """
    expected = (layer.out_features, layer.in_features)
    if tuple(update.shape) != expected:
        raise ValueError(f"expected an update of shape {expected}, got {tuple(update.shape)}")
    layer.unmerge()
    update = update / layer.scaling
    if isinstance(layer, LoRAQKV):
        slices = [update.chunk(3)["qkv".index(part)] for part in layer.parts]
        factors = [truncate_rank(matrix, layer.rank) for matrix in slices]
        layer.lora_b.copy_(torch.stack([b for b, _ in factors]))
        layer.lora_a.copy_(torch.stack([a for _, a in factors]))
    elif isinstance(layer, LoRALinear):
        b, a = truncate_rank(update, layer.rank)
        layer.lora_b.copy_(b)
        layer.lora_a.copy_(a)
    else:
        raise ValueError(f"expected a LoRALinear or a LoRAQKV, got {type(layer).__name__}")
