"""Class-aware uni-modal prompter (CUP): an auxiliary sensor's patches, summarised as a few class tokens.

GoPT (He, AAAI 2024, doi 10.1609/aaai.v38i3.27981). Known from the public sources: class tokens of a sensor are
learned, joined with its patch tokens in self-attention, and each patch is then assigned to its most relevant
class token; the prompts of one depth are the class tokens of the next::

    class tokens C ─┐                                     ┌ C ──────────────(+)─→ class prompts P
                    ├─ [C; F] ─ self-attention, residual ─┤   assign, average ┘
    patches ─ down ─┘                                     └ F ────────┘

Not in the public sources, and chosen here to stay below 1 % of a ViT-B: all of it works in a bottleneck of r
channels, with one head, without MLP.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from mfnet_lite.tuning.grouping.assignment import Assignment, GroupAssignment, Groups, Tokens
from mfnet_lite.tuning.grouping.normalised_linear import NormalisedLinear
from mfnet_lite.tuning.inject import Injected
from mfnet_lite.tuning.multimodal.stacked import check_counts

__all__ = ["UniModalPrompter"]


class UniModalOutput(NamedTuple):
    """What a uni-modal prompter makes of one sensor.

    Args:
        groups: Class prompts P.
        tokens: Patch tokens after the joint attention, in the bottleneck.
        assignment: Share of each token in each group.
    """

    groups: Groups
    tokens: Tokens
    assignment: Assignment


class UniModalPrompter(Injected):
    """Group the patches of one auxiliary sensor around its class tokens.

    Args:
        bottleneck: Channels r in which it works.
        channels: Width of the patch tokens it reads; None if they are in the bottleneck already, from the
            prompter before.
        hard: Whether a patch goes to one group as a whole.
        tau: Temperature of the assignment.
        eps: Added to the number of patches of a group.

    Example:
        >>> module = UniModalPrompter(bottleneck=4, channels=16)
        >>> groups, tokens, assignment = module(torch.randn(1, 3, 4), torch.randn(1, 25, 16))
        >>> groups.shape, tokens.shape, assignment.shape
        (torch.Size([1, 3, 4]), torch.Size([1, 25, 4]), torch.Size([1, 3, 25]))
    """

    def __init__(
        self,
        bottleneck: int,
        channels: int | None = None,
        hard: bool = True,
        tau: float = 1.0,
        eps: float = 1.0,
    ) -> None:
        super().__init__()
        check_counts(bottleneck=bottleneck, channels=channels or 1)
        self.down = None if channels is None else NormalisedLinear(channels, bottleneck)
        self.qkv = nn.Linear(bottleneck, 3 * bottleneck)
        self.out = nn.Linear(bottleneck, bottleneck)
        self.assignment = GroupAssignment(bottleneck, hard, tau, eps)

    def forward(
        self,
        classes: Groups,
        patches: Float[Tensor, "batch token width"],
        generator: torch.Generator | None = None,
    ) -> UniModalOutput:
        """Join, attend, assign, average.

        Args:
            classes: Class tokens C.
            patches: Patch tokens of the sensor.
            generator: Source of the noise in training.
        """
        if self.down is not None:
            patches = self.down(patches)
        joint = torch.cat([classes, patches], dim=1)
        joint = joint + self.out(self._attend(F.layer_norm(joint, joint.shape[-1:])))
        groups, tokens = joint.split([classes.shape[1], patches.shape[1]], dim=1)
        groups, assignment = self.assignment(groups, tokens, generator)
        return UniModalOutput(groups, tokens, assignment)

    def _attend(self, x: Tokens) -> Tokens:
        """Self-attention with one head; the matrix of all pairs is never stored."""
        # the fused kernels want an axis of heads
        query, key, value = self.qkv(x)[:, None].chunk(3, dim=-1)
        return F.scaled_dot_product_attention(query, key, value)[:, 0]
