r"""Alignment-induced cross-modal prompter (ACP): what the other sensors' groups say to each RGB token.

GoPT (He, AAAI 2024, doi 10.1609/aaai.v38i3.27981). Known from the public sources: RGB tokens ask, the class
prompts of the auxiliary sensors answer by similarity, and the parameters are shared among the sensors to model
what is common to them. Which matrices are shared is not in the public sources; here all of the ACP's are, and
the sensors' answers are summed:

.. math::
    P = \sum_m \mathrm{softmax}\!\left(\frac{(f W_q^\top)(P_m W_k^\top)^\top}{\sqrt r}\right)
    P_m W_v^\top W_\mathrm{up}^\top .

f and the rows of :math:`P_m` are tokens.

:math:`W_\mathrm{up}` starts at zero, so that the prompts are zero before training.

By the formula above, an RGB token that looks alike at two places hears the same at both: what the sensor saw *there*
has no part in its question. ``query="both"`` adds the sensor's own token of that place to the question
(:math:`f W_q^\top + F_m W_p^\top`); this is our extension, not the paper's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, get_args

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F

from mfnet_lite.tuning.grouping.assignment import Groups, Tokens
from mfnet_lite.tuning.grouping.normalised_linear import NormalisedLinear
from mfnet_lite.tuning.inject import Injected
from mfnet_lite.tuning.multimodal.stacked import check_counts

__all__ = ["CrossModalPrompter"]

Query = Literal["rgb", "both"]


class CrossModalPrompter(Injected):
    """Prompt the RGB tokens with the groups of all auxiliary sensors, by weights that these share.

    Args:
        channels: Width d of the RGB tokens.
        bottleneck: Channels r of the groups.
        query: Who asks: ``"rgb"`` tokens alone, or ``"both"`` they and the sensor's token of the same place.

    Raises:
        ValueError: If a width is below 1 or ``query`` is unknown.

    Example:
        >>> module = CrossModalPrompter(16, bottleneck=4)
        >>> prompt = module(torch.randn(1, 25, 16), [torch.randn(1, 3, 4)], [torch.randn(1, 25, 4)])
        >>> prompt.shape, prompt.abs().max().item()
        (torch.Size([1, 25, 16]), 0.0)
    """

    def __init__(self, channels: int, bottleneck: int, query: Query = "rgb") -> None:
        super().__init__()
        check_counts(channels=channels, bottleneck=bottleneck)
        if query not in get_args(Query):
            raise ValueError(f"unknown query {query!r}; available: {', '.join(get_args(Query))}")
        self.query = NormalisedLinear(channels, bottleneck)
        self.local = nn.Linear(bottleneck, bottleneck, bias=False) if query == "both" else None
        self.key = nn.Linear(bottleneck, bottleneck)
        self.value = nn.Linear(bottleneck, bottleneck)
        # without a bias: a sample without any auxiliary sensor gets a prompt of exactly zero
        self.up = nn.Linear(bottleneck, channels, bias=False)
        nn.init.zeros_(self.up.weight)

    def computation(self) -> dict[str, Any]:
        """Return who asks, for a delta's header."""
        return {"query": "rgb" if self.local is None else "both"}

    def forward(
        self,
        rgb: Float[Tensor, "batch token width"],
        groups: Sequence[Groups],
        tokens: Sequence[Tokens],
        present: Sequence[Bool[Tensor, " batch"] | None] | None = None,
    ) -> Float[Tensor, "batch token width"]:
        """Return the prompt that is added to the RGB tokens.

        Args:
            rgb: Tokens of the RGB stream.
            groups: Class prompts of each auxiliary sensor.
            tokens: Patch tokens of each in the bottleneck, read by ``query="both"`` alone.
            present: For each sensor which samples have it; None for all.
        """
        query = self.query(rgb)
        answers = []
        for number, (classes, patches) in enumerate(zip(groups, tokens, strict=True)):
            normal = F.layer_norm(classes, classes.shape[-1:])
            question = query
            if self.local is not None:
                question = query + self.local(F.layer_norm(patches, patches.shape[-1:]))
            answer = F.scaled_dot_product_attention(
                question[:, None], self.key(normal)[:, None], self.value(normal)[:, None]
            )[:, 0]
            here = None if present is None else present[number]
            if here is not None:
                answer = torch.where(here[:, None, None], answer, 0.0)
            answers.append(answer)
        prompt: Tensor = self.up(sum(answers[1:], answers[0]))
        return prompt
