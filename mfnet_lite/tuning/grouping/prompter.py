"""Grouping prompters over the depth of a frozen ViT: groups of one depth are the class tokens of the next.

GoPT (He, AAAI 2024, doi 10.1609/aaai.v38i3.27981)::

    C⁰ ─→ prompter ─ P⁰ = C¹ ─→ prompter ─ P¹ = C² ─→ …        one chain per auxiliary sensor
            │ prompt              │ prompt
    RGB ──(+)──→ block ─────────(+)──→ block ──→ …

Known from the public sources: prompts are residuals on the RGB stream, up to one before every layer, and grouping
is hierarchical. The schedule is not: by default the number of groups stays the same. With several numbers,
such as 64, 32 and 6, the prompters are divided evenly into stages, and a matrix over the tokens makes the class
tokens of the next stage out of the groups of the last (our choice, after GroupViT's token mixing).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from mfnet_lite.tuning.grouping.assignment import Assignment, GroupAssignment, Groups, Tokens
from mfnet_lite.tuning.grouping.cross_modal import CrossModalPrompter, Query
from mfnet_lite.tuning.grouping.uni_modal import UniModalPrompter
from mfnet_lite.tuning.inject import Injected
from mfnet_lite.tuning.multimodal.stacked import check_counts

__all__ = ["GroupingPrompter", "PromptHierarchy", "set_temperature"]


class Prompt(NamedTuple):
    """What one prompter makes.

    Args:
        prompt: To be added to the RGB tokens.
        groups: Class prompts of each sensor.
        tokens: Patch tokens of each sensor, in the bottleneck.
        assignments: Share of each token in each group, for each sensor.
    """

    prompt: Float[Tensor, "batch token width"]
    groups: list[Groups]
    tokens: list[Tokens]
    assignments: list[Assignment]


class GroupingPrompter(Injected):
    """One prompter: a uni-modal part for each auxiliary sensor, and the cross-modal one they share.

    Args:
        channels: Width d of the frozen network's tokens.
        sensors: Number of auxiliary sensors.
        bottleneck: Channels r in which it works.
        hard: Whether a patch goes to one group as a whole.
        tau: Temperature of the assignment.
        eps: Added to the number of patches of a group.
        query: Who asks the groups, see :class:`CrossModalPrompter`.
        reads_bottleneck: Read the tokens of the prompter before instead of those of the frozen network.
        cross: A cross-modal part to share with other prompters; None for one of its own.

    Example:
        >>> module = GroupingPrompter(16, sensors=1, bottleneck=4)
        >>> rgb, dsm, classes = torch.randn(1, 25, 16), torch.randn(1, 25, 16), torch.randn(1, 3, 4)
        >>> module(rgb, [dsm], [classes]).prompt.shape
        torch.Size([1, 25, 16])
    """

    def __init__(
        self,
        channels: int,
        sensors: int,
        bottleneck: int,
        hard: bool = True,
        tau: float = 1.0,
        eps: float = 1.0,
        query: Query = "rgb",
        reads_bottleneck: bool = False,
        cross: CrossModalPrompter | None = None,
    ) -> None:
        super().__init__()
        check_counts(channels=channels, sensors=sensors, bottleneck=bottleneck)
        reads = None if reads_bottleneck else channels
        self.uni = nn.ModuleList(
            UniModalPrompter(bottleneck, reads, hard, tau, eps) for _ in range(sensors)
        )
        self.cross = CrossModalPrompter(channels, bottleneck, query) if cross is None else cross

    def forward(
        self,
        rgb: Float[Tensor, "batch token width"],
        patches: Sequence[Tensor],
        classes: Sequence[Groups],
        sensors: Sequence[int] | None = None,
        present: Sequence[Bool[Tensor, " batch"] | None] | None = None,
        generator: torch.Generator | None = None,
    ) -> Prompt:
        """Group each sensor's patches, then prompt the RGB tokens with the groups.

        Args:
            rgb: Tokens of the RGB stream.
            patches: Patch tokens of the sensors that are there, at the same places.
            classes: Their class tokens.
            sensors: Which sensors these are, by number; None for all.
            present: For each of them which samples have it; None for all.
            generator: Source of the noise in training.
        """
        numbers = range(len(self.uni)) if sensors is None else sensors
        made = [
            self.uni[number](own, tokens, generator)
            for number, tokens, own in zip(numbers, patches, classes, strict=True)
        ]
        groups, tokens = [m.groups for m in made], [m.tokens for m in made]
        prompt = self.cross(rgb, groups, tokens, present)
        return Prompt(prompt, groups, tokens, [m.assignment for m in made])


class PromptHierarchy(Injected):
    """All prompters of a network, the class tokens they start from, and the mixing between stages.

    Args:
        channels: Width d of the frozen network's tokens.
        sensors: Number of auxiliary sensors.
        prompters: Number of prompters.
        groups: Number of groups K of each stage.
        bottleneck: Channels r in which all of them work.
        hard: Whether a patch goes to one group as a whole.
        tau: Temperature of the assignment.
        eps: Added to the number of patches of a group.
        query: Who asks the groups.
        embedded: Sensors give their embedded patches once; later prompters read what the one before made of
            them. False: each prompter reads tokens of the frozen network.
        share_cross: One cross-modal part for all depths.

    Raises:
        ValueError: If a number is below 1 or there are more stages than prompters.

    Example:
        >>> module = PromptHierarchy(16, sensors=1, prompters=3, groups=(8, 4, 2), bottleneck=4)
        >>> [module.stage(number) for number in range(3)], module.start(batch=5, sensor=0).shape
        ([0, 1, 2], torch.Size([5, 8, 4]))
    """

    def __init__(
        self,
        channels: int,
        sensors: int,
        prompters: int,
        groups: Sequence[int],
        bottleneck: int,
        hard: bool = True,
        tau: float = 1.0,
        eps: float = 1.0,
        query: Query = "rgb",
        embedded: bool = False,
        share_cross: bool = False,
    ) -> None:
        super().__init__()
        check_counts(prompters=prompters, stages=len(groups), groups=min(groups, default=1))
        if len(groups) > prompters:
            raise ValueError(
                f"{len(groups)} stages {tuple(groups)} need at least as many prompters, got {prompters}"
            )
        self.groups = tuple(groups)
        # of unit size, as what they are joined with is normalised: smaller ones would start as one group
        check_counts(sensors=sensors, bottleneck=bottleneck)
        self.classes = nn.Parameter(torch.randn(sensors, groups[0], bottleneck))
        self.mixing = nn.ParameterList(
            torch.randn(sensors, after, before) * before**-0.5 for before, after in pairwise(groups)
        )
        cross = CrossModalPrompter(channels, bottleneck, query) if share_cross else None
        self.prompters = nn.ModuleList(
            GroupingPrompter(
                channels, sensors, bottleneck, hard, tau, eps, query, embedded and number > 0, cross
            )
            for number in range(prompters)
        )

    def stage(self, number: int) -> int:
        """Return the stage to which a prompter belongs.

        Args:
            number: Of the prompter, from 0.
        """
        return number * len(self.groups) // len(self.prompters)

    def start(self, batch: int, sensor: int) -> Groups:
        """Return the learned class tokens of a sensor, which the first prompter reads.

        Args:
            batch: Number of samples.
            sensor: Number of the auxiliary sensor.
        """
        return self.classes[sensor].expand(batch, -1, -1)

    def forward(
        self,
        number: int,
        rgb: Float[Tensor, "batch token width"],
        patches: Sequence[Tensor],
        classes: Sequence[Groups],
        sensors: Sequence[int],
        present: Sequence[Bool[Tensor, " batch"] | None] | None = None,
        generator: torch.Generator | None = None,
    ) -> Prompt:
        """Run one prompter.

        Args:
            number: Which, from 0.
            rgb: Tokens of the RGB stream.
            patches: Patch tokens of the sensors that are there.
            classes: What the prompter before made of their class tokens; before the first one :meth:`start`.
            sensors: Which sensors these are, by number.
            present: For each of them which samples have it; None for all.
            generator: Source of the noise in training.
        """
        stage = self.stage(number)
        if stage and stage > self.stage(number - 1):
            mixing = self.mixing[stage - 1]
            classes = [mixing[m] @ own for m, own in zip(sensors, classes, strict=True)]
        made: Prompt = self.prompters[number](rgb, patches, classes, sensors, present, generator)
        return made


def set_temperature(model: nn.Module, tau: float) -> None:
    """Set the temperature of every assignment of a network, for example lower from step to step.

    Args:
        model: A network with grouping prompters.
        tau: The temperature.

    Raises:
        ValueError: If it is not positive or the network assigns nothing.
    """
    found = [module for module in model.modules() if isinstance(module, GroupAssignment)]
    if not tau > 0 or not found:
        raise ValueError(
            f"expected a temperature above 0 and a network with grouping prompters, got {tau} and "
            f"{len(found)} assignments in {type(model).__name__}"
        )
    for module in found:
        module.tau = tau
