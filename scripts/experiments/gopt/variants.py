"""GoPT with a part taken away, and other tunings under GoPT's head; for comparisons alone, so not in the library."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, cast

import torch
from jaxtyping import Float
from segment_anything.modeling import Sam
from torch import Tensor, nn
from torch.nn import functional as F

from mfnet_lite.nets import GoPT, MFNet
from mfnet_lite.nets.decoders.progressive import ProgressiveHead
from mfnet_lite.nets.layers.padding import pad_to_multiple
from mfnet_lite.tuning.grouping import (
    CrossModalPrompter,
    GroupingPrompter,
    Prompt,
    UniModalOutput,
    UniModalPrompter,
)

Parts = Literal["both", "cup", "acp", "static"]
"""Which prompters stand: the uni-modal and the cross-modal one, either alone, or learned tokens without groups."""


class Ungrouped(nn.Module):
    """Every patch of the sensor is a group of its own: ACP without CUP.

    Args:
        whole: The uni-modal prompter whose projection is kept.
    """

    def __init__(self, whole: UniModalPrompter) -> None:
        super().__init__()
        self.down = whole.down

    def forward(self, classes: Tensor, patches: Tensor, generator: Any = None) -> UniModalOutput:
        """Return the projected patches as groups and as tokens, and nothing assigned."""
        tokens = patches if self.down is None else self.down(patches)
        return UniModalOutput(tokens, tokens, tokens.new_zeros(len(tokens), 1, tokens.shape[1]))


class Static(nn.Module):
    """Learned tokens in place of groups, the same for every image, as in visual prompt tuning.

    Args:
        whole: The uni-modal prompter whose projection is kept, for ``query="both"``.
        groups: Number of the tokens.
    """

    def __init__(self, whole: UniModalPrompter, groups: int) -> None:
        super().__init__()
        self.down = whole.down
        self.learned = nn.Parameter(torch.randn(groups, whole.qkv.in_features))

    def forward(self, classes: Tensor, patches: Tensor, generator: Any = None) -> UniModalOutput:
        """Return the learned tokens, and nothing assigned."""
        tokens = patches if self.down is None else self.down(patches)
        groups = self.learned.expand(len(tokens), -1, -1)
        return UniModalOutput(groups, tokens, tokens.new_zeros(*groups.shape[:2], tokens.shape[1]))


class InPlace(nn.Module):
    """Every RGB token gets the prompt of the group to which the patch at its place belongs: CUP without ACP.

    Args:
        whole: The cross-modal prompter whose last projection is kept.
    """

    def __init__(self, whole: CrossModalPrompter) -> None:
        super().__init__()
        self.up = whole.up

    def forward(self, groups: list[Tensor], assignments: list[Tensor]) -> Tensor:
        """Give each group's prompt back to its patches."""
        pairs = zip(groups, assignments, strict=True)
        answers = [a.mT @ F.layer_norm(g, g.shape[-1:]) for g, a in pairs]
        prompt: Tensor = self.up(sum(answers[1:], answers[0]))
        return prompt


class UniModalOnly(GroupingPrompter):
    """A prompter without cross-modal attention.

    Args:
        whole: The prompter whose parts are kept.
    """

    def __init__(self, whole: GroupingPrompter) -> None:
        nn.Module.__init__(self)
        self.uni = whole.uni
        self.place = InPlace(whole.cross)

    def forward(self, rgb: Tensor, patches: Any, classes: Any, sensors: Any = None,  # type: ignore[override]
                present: Any = None, generator: Any = None) -> Any:  # fmt: skip
        """Group the patches of each sensor and prompt each place with its own group."""
        numbers = range(len(self.uni)) if sensors is None else sensors
        triples = zip(numbers, patches, classes, strict=True)
        made = [self.uni[number](own, tokens, generator) for number, tokens, own in triples]
        groups, assignments = [m.groups for m in made], [m.assignment for m in made]
        return Prompt(
            self.place(groups, assignments), groups, [m.tokens for m in made], assignments
        )


def keep(network: GoPT, parts: Parts) -> GoPT:
    """Take a part of the prompters away, in place.

    Args:
        network: A network as it is built.
        parts: What stays.

    Returns:
        The network; what is taken away is no parameter of it any more.
    """
    prompts = network.encoder.prompts
    if parts == "both" or prompts is None:
        return network
    for number, prompter in enumerate(prompts.prompters):
        whole = cast(GroupingPrompter, prompter)
        if parts == "cup":
            prompts.prompters[number] = UniModalOnly(whole)
            continue
        for sensor, uni in enumerate(whole.uni):
            uni = cast(UniModalPrompter, uni)
            whole.uni[sensor] = Ungrouped(uni) if parts == "acp" else Static(uni, prompts.groups[0])
    if parts != "cup":
        prompts.classes.requires_grad_(False)  # nobody reads them
    return network


class TunedUnderHead(MFNet):
    """The encoder of MFNet, the sensors' maps added, and the head of GoPT: only the tuning differs from GoPT.

    Args:
        sam: The foundation model.
        num_classes: Number of classes.
        sensors: Bands by name.
        tuning: ``"mmlora"`` or ``"mmadapter"``.
        rank: Of the updates.
        bottleneck: Of the adapters; None for the default.
    """

    def __init__(self, sam: Sam, num_classes: int, sensors: Mapping[str, int], tuning: Any,
                 rank: int, bottleneck: int | None) -> None:  # fmt: skip
        super().__init__(sam, num_classes, sensors, tuning, "sum", rank, bottleneck)
        channels = sam.image_encoder.neck[0].out_channels
        del self.fusion, self.decoder
        self.head = ProgressiveHead(channels, num_classes, 64, self.encoder.patch)

    def forward(
        self,
        sample: Mapping[str, Float[Tensor, "batch bands height width"]],
        modality_mask: Any = None,
    ) -> Float[Tensor, "batch classes height width"]:
        """Segment a batch."""
        stacked, _ = self.stack(sample, modality_mask)
        height, width = stacked.shape[-2:]
        padded = pad_to_multiple(stacked.flatten(0, 1), self.encoder.patch)
        features = self.encoder(padded.unflatten(0, stacked.shape[:2]), None).sum(dim=0)
        logits = F.interpolate(
            self.head(features), size=padded.shape[-2:], mode="bilinear", align_corners=False
        )
        return logits[..., :height, :width]
