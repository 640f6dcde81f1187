"""Grouping prompts (GoPT): auxiliary sensors summarised as groups, whose prompts steer a frozen RGB network."""

from __future__ import annotations

from mfnet_lite.tuning.grouping.assignment import (
    GroupAssignment,
    assign,
    group_means,
    gumbel_noise,
)
from mfnet_lite.tuning.grouping.cross_modal import CrossModalPrompter
from mfnet_lite.tuning.grouping.normalised_linear import NormalisedLinear
from mfnet_lite.tuning.grouping.prompter import (
    GroupingPrompter,
    Prompt,
    PromptHierarchy,
    set_temperature,
)
from mfnet_lite.tuning.grouping.uni_modal import UniModalOutput, UniModalPrompter

__all__ = [
    "CrossModalPrompter",
    "GroupAssignment",
    "GroupingPrompter",
    "NormalisedLinear",
    "Prompt",
    "PromptHierarchy",
    "UniModalOutput",
    "UniModalPrompter",
    "assign",
    "group_means",
    "gumbel_noise",
    "set_temperature",
]
