"""A frozen plain ViT on RGB with grouping prompts of other sensors between its blocks (GoPT).

He, AAAI 2024, doi 10.1609/aaai.v38i3.27981::

    RGB ── embed ──(+)── block 0 ──(+)── block 1 ── … ── final ── features
                    │ prompt        │ prompt
    DSM ── embed ───┴──── block 0 ──┴──── block 1 ── …       auxiliary="frozen": through the same frozen blocks
           embed ───┴── grouped ────┴── grouped ─── …        auxiliary="embed": embedded once, then grouped on

Whether the auxiliary tokens pass the frozen blocks is not in the public sources; the caption of the overview
figure says that both are fed to the ViT, so "frozen" is the default, and "embed" the cheap choice.

What costs nothing is left undone. No gradient is needed before the first prompter, nor anywhere in the
auxiliary stream: since no trained weight comes before them, PyTorch records nothing there. The auxiliary
stream ends at the last prompter, and a sensor that no sample has is not run at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, get_args

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from mfnet_lite.nets.encoders.plain_vit import Grid, Images, PlainViT, Tokens, check_blocks
from mfnet_lite.tuning.grouping.prompter import Prompt, PromptHierarchy

Auxiliary = Literal["frozen", "embed"]


class PromptedViT(nn.Module):
    """Run a frozen ViT on RGB, prompted before some of its blocks.

    Args:
        vit: The network; it is frozen.
        prompts: The prompters, as many as ``blocks``; None for the network alone.
        blocks: Numbers of the blocks before which a prompt is added.
        auxiliary: Way of the auxiliary tokens: through the ``"frozen"`` blocks, or ``"embed"`` once.
        checkpointing: Trade a third more computing in training for the memory of the blocks.

    Raises:
        ValueError: If ``auxiliary`` is unknown, or numbers do not fit.
    """

    def __init__(
        self,
        vit: PlainViT,
        prompts: PromptHierarchy | None,
        blocks: Sequence[int],
        auxiliary: Auxiliary = "frozen",
        checkpointing: bool = False,
    ) -> None:
        super().__init__()
        if auxiliary not in get_args(Auxiliary):
            raise ValueError(
                f"unknown auxiliary {auxiliary!r}; available: {', '.join(get_args(Auxiliary))}"
            )
        widths = {vit.width, *(vit.width_after(number) for number in range(vit.depth))}
        if len(widths) > 1:
            raise ValueError(
                f"expected tokens of the same width after every block, got {sorted(widths)} channels: prompts "
                "need a plain vision transformer such as tiny or timm:vit_small_patch16_224, not a "
                "convolutional network"
            )
        self.vit = vit.requires_grad_(False)
        self.blocks = check_blocks(blocks, vit.depth)
        if prompts is not None and len(prompts.prompters) != len(self.blocks):
            raise ValueError(
                f"expected one prompter for each of the blocks {self.blocks}, "
                f"got {len(prompts.prompters)}"
            )
        self.prompts = prompts
        self.auxiliary: Auxiliary = auxiliary
        self.checkpointing = checkpointing

    def computation(self) -> dict[str, Any]:
        """Return where the prompts stand and what they are made of, for a delta's header."""
        return {"blocks": list(self.blocks), "auxiliary": self.auxiliary}

    def added_parameters(self) -> Iterator[tuple[str, nn.Parameter]]:
        """Yield name and parameter of everything that is trained, for ``tuning.freeze``."""
        for name, parameter in self.named_parameters():
            if not name.startswith("vit."):
                yield name, parameter

    def remove_injected(self) -> None:
        """Leave the frozen network on RGB alone, for ``tuning.detach``."""
        self.prompts = None

    def forward(
        self,
        rgb: Images,
        auxiliary: Mapping[int, Images] | None = None,
        present: Mapping[int, Bool[Tensor, " batch"]] | None = None,
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, "batch channels height width"]:
        """Embed normalised images.

        Args:
            rgb: The RGB images; sides must be multiples of the patch size.
            auxiliary: Images of the auxiliary sensors that are there, by number; finite everywhere.
            present: For each of them which samples have it; those left out have all.
            generator: Source of the assignments' noise in training.

        Returns:
            The map that the frozen network makes of its last tokens.
        """
        return self.depths(rgb, auxiliary, present, generator)[1]

    def depths(
        self,
        rgb: Images,
        auxiliary: Mapping[int, Images] | None = None,
        present: Mapping[int, Bool[Tensor, " batch"]] | None = None,
        generator: torch.Generator | None = None,
    ) -> tuple[list[Prompt], Float[Tensor, "batch channels height width"]]:
        """Embed normalised images and keep what every prompter made.

        Args:
            rgb: As for :meth:`forward`.
            auxiliary: As for :meth:`forward`.
            present: As for :meth:`forward`.
            generator: As for :meth:`forward`.

        Returns:
            Prompts with groups and assignments, in the order of the blocks, and the features. The sensors
            within a prompt are those of ``auxiliary``, in increasing order.
        """
        vit, grid = self.vit, self.vit.grid(rgb)
        tokens = vit.embed(rgb)
        prompts = self.prompts
        images = dict(sorted((auxiliary or {}).items()))
        if prompts is None or not images:
            for block in range(vit.depth):
                if prompts is not None and block == self.blocks[0] and torch.is_grad_enabled():
                    # Kernels that keep what a gradient needs round otherwise than those that do not. With
                    # the same kernels, prompts of zero and no prompts are equal to the last bit.
                    tokens = tokens if tokens.requires_grad else tokens.detach().requires_grad_()
                tokens = self._run(block, tokens, grid)
            return [], vit.final(tokens, grid)
        numbers = tuple(images)
        masks = [(present or {}).get(number) for number in numbers]
        classes = [prompts.start(len(rgb), number) for number in numbers]
        # all sensors as one batch through the frozen weights
        stream = vit.embed(torch.cat(list(images.values())))
        patches = self._patches(stream, len(numbers))
        made: list[Prompt] = []
        for block in range(vit.depth):
            if block in self.blocks:
                if self.auxiliary == "frozen":
                    patches = self._patches(stream, len(numbers))
                prompt: Prompt = prompts(
                    len(made), tokens[:, vit.prefix :], patches, classes, numbers, masks, generator
                )
                # class and register tokens, which stand in front, get none
                tokens = tokens + F.pad(prompt.prompt, (0, 0, vit.prefix, 0))
                classes, patches = prompt.groups, prompt.tokens
                made.append(prompt)
            tokens = self._run(block, tokens, grid)
            if self.auxiliary == "frozen" and len(made) < len(self.blocks):
                stream = self._run(block, stream, grid)
        return made, vit.final(tokens, grid)

    def _run(self, block: int, tokens: Tokens, grid: Grid) -> Tokens:
        """Run one frozen block; nothing is kept for the backward pass before the first trained weight."""
        if self.checkpointing and tokens.requires_grad and torch.is_grad_enabled():
            out: Tensor = checkpoint(self.vit.block, block, tokens, grid, use_reentrant=False)
            return out
        return self.vit.block(block, tokens, grid)

    def _patches(self, stream: Tokens, sensors: int) -> list[Tokens]:
        """Split the auxiliary batch into its sensors, without what stands before the patches."""
        return list(stream[:, self.vit.prefix :].unflatten(0, (sensors, -1)).unbind())
