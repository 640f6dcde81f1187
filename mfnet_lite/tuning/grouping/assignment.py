r"""Which group each patch belongs to: Gumbel-softmax over the groups, and the mean of every group.

GoPT (He, "Prompting Multi-Modal Image Segmentation with Semantic Grouping", AAAI 2024,
doi 10.1609/aaai.v38i3.27981) assigns patches to class tokens by Gumbel-softmax, hard by default. Its formulas
are not in the public sources; those below follow GroupViT's assignment (Xu et al. 2022, arXiv 2202.11094,
section 3.2), of which GoPT's grouping is a descendant. With K groups C and N tokens F of width r,

.. math::
    L_{ki} = \frac{(W_q C_k)\cdot(W_k F_i)}{\sqrt r},\quad
    S = \mathrm{softmax}_k\frac{L + G}{\tau},\quad
    P_k = C_k + W_o\,\frac{\sum_i A_{ki}\,W_v F_i}{\sum_i A_{ki} + \varepsilon}.

G is Gumbel noise in training, zero in evaluation. The softmax runs over the *groups*: each token is shared out
once. A is S itself (soft), or one-hot at its largest entry with the gradient of S (hard, straight-through).

The products are ordered so that nothing of size K·N·r exists and no token is projected: :math:`W_k` and
:math:`W_v` are applied to the K groups, :math:`L = (W_k^\top W_q C) F^\top` and
:math:`A(F W_v^\top) = (A F)W_v^\top`.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from mfnet_lite.tuning.inject import Injected
from mfnet_lite.tuning.multimodal.stacked import check_counts

__all__ = ["GroupAssignment"]

Groups = Float[Tensor, "batch group channels"]
Tokens = Float[Tensor, "batch token channels"]
Assignment = Float[Tensor, "batch group token"]


def gumbel_noise(like: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Draw standard Gumbel noise, −log(−log u) for u uniform in (0, 1).

    Args:
        like: Its shape, number format and device are taken.
        generator: Source of the random numbers; None for torch's own of the device.

    Example:
        >>> noise = gumbel_noise(torch.empty(100_000), torch.Generator().manual_seed(0))
        >>> round(noise.mean().item(), 2)  # Euler's constant is 0.577
        0.58
    """
    device = like.device if generator is None else generator.device
    # Two logarithms of uniform numbers are several times faster than PyTorch's exponential_.
    noise = torch.rand(like.shape, generator=generator, dtype=like.dtype, device=device)
    noise.clamp_(min=torch.finfo(noise.dtype).tiny)  # u = 0 would give minus infinity
    return noise.log_().neg_().log_().neg_().to(like.device)


class _StraightThrough(torch.autograd.Function):
    """One-hot at the largest entry of each column, with the gradient of the identity.

    ``hard - soft.detach() + soft`` has the same gradient, but takes three tensors more, and only in this order of
    the sum is it one-hot to the last bit.
    """

    @staticmethod
    def forward(soft: Tensor) -> Tensor:
        # max finds the first of equal entries and is several times faster than argmax over this axis.
        index = soft.max(dim=-2, keepdim=True).indices
        return torch.zeros_like(soft).scatter_(-2, index, 1.0)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        """Keep nothing."""

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return gradient


def assign(
    logits: Float[Tensor, "*batch group token"],
    tau: float = 1.0,
    hard: bool = True,
    noise: Float[Tensor, "*batch group token"] | None = None,
) -> Float[Tensor, "*batch group token"]:
    """Share every token out among the groups.

    Args:
        logits: How well each token fits each group.
        tau: Temperature of the softmax; small values make it and its gradient steep.
        hard: Give each token to one group as a whole; the gradient is that of the softmax.
        noise: Added to the logits, as :func:`gumbel_noise` draws it; None for none.

    Returns:
        Shares that sum to one over the groups; exactly one-hot if hard.

    Example:
        >>> assign(torch.tensor([[0.0, 2.0], [1.0, 0.0]]))
        tensor([[0., 1.],
                [1., 0.]])
        >>> assign(torch.tensor([[0.0, 2.0], [1.0, 0.0]]), hard=False).sum(dim=0).round(decimals=6)
        tensor([1., 1.])
    """
    if noise is not None:
        logits = logits + noise
    soft = (logits if tau == 1 else logits / tau).softmax(dim=-2)
    if not hard:
        return soft
    one_hot: Tensor = _StraightThrough.apply(soft)
    return one_hot


def group_means(assignment: Assignment, tokens: Tokens, eps: float = 1.0) -> Groups:
    """Average the tokens of each group, by one matrix product.

    Args:
        assignment: Share of each token in each group.
        tokens: What is averaged.
        eps: Added to the number of tokens of a group. An empty group gives zero, and the mean of a group of
            few tokens is drawn towards zero; 1 is GroupViT's value.

    Example:
        >>> shares = torch.tensor([[[1.0, 1.0, 1.0], [0.0, 0.0, 0.0]]])  # three tokens, the second group empty
        >>> group_means(shares, torch.tensor([[[2.0], [4.0], [6.0]]])).flatten()
        tensor([3., 0.])
    """
    return assignment @ tokens / (assignment.sum(dim=-1, keepdim=True) + eps)


class GroupAssignment(Injected):
    """Assign tokens to groups and add to each group the mean of what it got.

    Formulas: see the module; not in GoPT's public sources, after GroupViT's assignment with one head. :math:`W_o` has
    a bias, so that a group that got no token moves by it.

    Args:
        channels: Width r of groups and tokens.
        hard: Whether a token goes to one group as a whole.
        tau: Temperature of the softmax over the groups.
        eps: Added to the number of tokens of a group.

    Raises:
        ValueError: If the width is below 1, or ``tau`` or ``eps`` is not positive.

    Example:
        >>> module = GroupAssignment(4).eval()
        >>> groups, assignment = module(torch.randn(1, 2, 4), torch.randn(1, 9, 4))
        >>> groups.shape, assignment.detach().sum(dim=1).unique()
        (torch.Size([1, 2, 4]), tensor([1.]))
    """

    def __init__(
        self,
        channels: int,
        hard: bool = True,
        tau: float = 1.0,
        eps: float = 1.0,
    ) -> None:
        super().__init__()
        check_counts(channels=channels)
        for name, value in (("tau", tau), ("eps", eps)):
            if not value > 0:
                raise ValueError(f"{name} must be above 0, got {value}")
        self.hard, self.tau, self.eps = hard, tau, eps
        self.query = nn.Linear(channels, channels)
        self.key = nn.Linear(channels, channels)
        self.value = nn.Linear(channels, channels)
        self.out = nn.Linear(channels, channels)

    def computation(self) -> dict[str, Any]:
        """Return the options that change the result in evaluation, for a delta's header."""
        # the temperature moves no largest entry: training may lower it without making another network
        return {"hard": self.hard, "eps": self.eps} | ({} if self.hard else {"tau": self.tau})

    def logits(self, groups: Groups, tokens: Tokens) -> Assignment:
        """Say how well each token fits each group.

        Args:
            groups: Class tokens, normalised.
            tokens: Patch tokens, normalised.
        """
        query = self.query(groups) * groups.shape[-1] ** -0.5
        return (query @ self.key.weight) @ tokens.mT + (query @ self.key.bias)[..., None]

    def forward(
        self, groups: Groups, tokens: Tokens, generator: torch.Generator | None = None
    ) -> tuple[Groups, Assignment]:
        """Assign and aggregate.

        Args:
            groups: Class tokens C.
            tokens: Patch tokens F.
            generator: Source of the noise in training; None for torch's own of the device. Without effect
                in evaluation, which has no noise.

        Returns:
            Class prompts P and the assignment A.
        """
        normal = F.layer_norm(tokens, tokens.shape[-1:])
        logits = self.logits(F.layer_norm(groups, groups.shape[-1:]), normal)
        noise = gumbel_noise(logits, generator) if self.training else None
        assignment = assign(logits, self.tau, self.hard, noise)
        amount = assignment.sum(dim=-1, keepdim=True)
        total = amount + self.eps
        # W_v and its bias on the mean of K groups, instead of on N tokens
        mean = F.linear((assignment @ normal) / total, self.value.weight)
        return groups + self.out(mean + self.value.bias * (amount / total)), assignment
