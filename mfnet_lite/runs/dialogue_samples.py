"""Dialogues as samples of a training: some questions of a dialogue, drawn anew in each epoch.

A dialogue of an image asks everything that is known of it, easily a thousand tokens. A step of training takes a few of
its questions, in a drawn order, so that an answer is learned from the image and not from another answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from mfnet_lite.language.instructions import Dialogue
from mfnet_lite.nets.earthgpt import EarthGPT, Example
from mfnet_lite.runs.image_features import ImageFeatures

__all__ = ["DialogueSamples", "DialogueTraining"]

NOTHING = -1


class DialogueSamples:
    """Samples ``{"dialogue": (), "turns": (turns,)}``: numbers of a dialogue and of its questions.

    Args:
        dialogues: The dialogues.
        turns: Questions of a sample at most; 0 for all of a dialogue in their order.
        seed: What is drawn is a function of seed, epoch and dialogue.

    Raises:
        ValueError: If there is no dialogue.
    """

    def __init__(self, dialogues: Sequence[Dialogue], turns: int = 0, seed: int = 0) -> None:
        if not dialogues:
            raise ValueError("expected at least one dialogue to train on, got none")
        if turns < 0:
            raise ValueError(f"turns must not be negative, got {turns}; 0 takes all")
        self.dialogues, self.turns, self.seed, self.epoch = dialogues, turns, seed, 0
        self.most = max(len(dialogue.exchanges) for dialogue in dialogues)

    def __len__(self) -> int:
        return len(self.dialogues)

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch that the next samples belong to."""
        self.epoch = epoch

    def without_shared_state(self) -> DialogueSamples:
        """Return a copy with an epoch of its own."""
        return DialogueSamples(self.dialogues, self.turns, self.seed)

    def __getitem__(self, index: int) -> Mapping[str, Tensor]:
        count = len(self.dialogues[index].exchanges)
        size = min(self.turns, self.most) or self.most
        if self.turns:
            rng = np.random.default_rng([self.seed, self.epoch, index])
            drawn = rng.permutation(count)[:size].tolist()
        else:
            drawn = list(range(count))
        drawn += [NOTHING] * (size - len(drawn))
        return {"dialogue": torch.tensor(index), "turns": torch.tensor(drawn)}


class DialogueTraining(nn.Module):
    """What :func:`mfnet_lite.training.fit` trains: a batch of :class:`DialogueSamples` becomes a loss.

    Args:
        model: The model, in one of its stages.
        dialogues: Those of the samples.
        features: Features of their images; None trains on the words alone (stage 0).
    """

    def __init__(
        self, model: EarthGPT, dialogues: Sequence[Dialogue], features: ImageFeatures | None
    ) -> None:
        super().__init__()
        self.model, self.dialogues, self.features = model, dialogues, features

    def forward(self, batch: Mapping[str, Tensor]) -> Float[Tensor, ""]:
        """Return the loss of the answers."""
        numbers = batch["dialogue"].tolist()
        drawn = [[k for k in row if k != NOTHING] for row in batch["turns"].tolist()]
        seen: list[tuple[Tensor, ...]] = [()] * len(numbers)
        if self.features is not None:
            seen = [(image,) for image in self.features.of(numbers)]
        examples = []
        for number, turns, images in zip(numbers, drawn, seen, strict=True):
            exchanges = self.dialogues[number].exchanges
            said = [(exchanges[k].question, exchanges[k].answer) for k in turns]
            examples.append(Example(said, images))
        return self.model.loss(examples)
