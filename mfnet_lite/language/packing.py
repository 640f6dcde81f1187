"""Dialogues in rows: several in one without seeing each other, each with its images, loss on answers only.

A dialogue is a list of pieces: text that is given, places for the visual tokens of an image, answers that are learned.
Rows hold as many dialogues as fit, one after the other, and what is left is filled up on the right::

    token      <image> <image> Where is it ? [ 0 . 5 ] end | Is it a ship ? yes end | pad pad
    dialogue      1       1      1    1  1 1 1 1 1 1 1  1  |  2  2 2  2   2  2   2  |  0   0
    position      0       1      2    3  4 5 6 7 8 9 10 11 |  0  1 2  3   4  5   6  |  0   0
    label         –       –      –    –  – – [ 0 . 5 ] end |  –  – –  –   – yes end |  –   –

Positions begin anew in each dialogue and no token sees one of another dialogue, so what is computed for it is what
would be computed alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional as F

from mfnet_lite.language.language_models import LanguageModel

IGNORE = -100
"""Label of tokens that are not learned, as in transformers and ``cross_entropy``."""
AT_ONCE = 256
"""Answer tokens whose scores exist at the same time: the vocabulary of a real model has 49,152 words and more."""


class Text(NamedTuple):
    """Something that is given.

    Args:
        text: The words.
    """

    text: str


class ImageTokens(NamedTuple):
    """A place for an image.

    Args:
        tokens: Number of its visual tokens.
    """

    tokens: int


class Answer(NamedTuple):
    """Something that is learned; the end token is added.

    Args:
        text: The words.
    """

    text: str


Piece = Text | ImageTokens | Answer
Dialogue = Sequence[Piece]


class Packed(NamedTuple):
    """Dialogues in rows of one length.

    Args:
        ids: Tokens; the padding token where an image or nothing is.
        labels: The token itself where it belongs to an answer, −100 elsewhere; not shifted.
        positions: Of each token in its dialogue, from 0.
        dialogue: Which dialogue of the row a token belongs to, from 1; 0 for padding.
        image: Which visual token stands there, counted through all images in the order of the dialogues as they were
            given; −1 where none does.
        order: Row and number in the row, from 1, of each dialogue that was given.
    """

    ids: Int[Tensor, "row token"]
    labels: Int[Tensor, "row token"]
    positions: Int[Tensor, "row token"]
    dialogue: Int[Tensor, "row token"]
    image: Int[Tensor, "row token"]
    order: tuple[tuple[int, int], ...]

    def to(self, device: torch.device | str) -> Packed:
        """Move all tensors."""
        return Packed(
            self.ids.to(device),
            self.labels.to(device),
            self.positions.to(device),
            self.dialogue.to(device),
            self.image.to(device),
            self.order,
        )

    def mask(self) -> Bool[Tensor, "row 1 token token"]:
        """Return which token (last axis) each token may look at: itself and earlier ones of its dialogue."""
        same = self.dialogue[:, :, None] == self.dialogue[:, None, :]
        return (same & torch.ones_like(same[0]).tril())[:, None]


def chat_dialogue(
    model: LanguageModel, turns: Sequence[tuple[str, str | None]], images: Sequence[int] = ()
) -> list[Piece]:
    """Write questions and answers as the model was taught to, images before the first question.

    Args:
        model: Whose chat form is used.
        turns: Questions and answers; None as the last answer leaves it to be generated.
        images: Numbers of visual tokens, one for each image.

    Returns:
        A dialogue.

    Raises:
        ValueError: If there is no turn, or an answer before the last is missing.
    """
    if not turns or any(answer is None for _, answer in turns[:-1]):
        raise ValueError(
            f"expected questions with answers, the last of which may be None, got {list(turns)!r}"
        )
    form = model.chat
    pieces: list[Piece] = [Text(form.start), *(ImageTokens(tokens) for tokens in images)]
    for number, (question, answer) in enumerate(turns):
        if number:
            pieces.append(Text(form.question))
        pieces += [Text(question), Text(form.answer)]
        if answer is not None:
            pieces.append(Answer(answer))
    return pieces


class _Row(NamedTuple):
    """One dialogue as numbers."""

    ids: list[int]
    labels: list[int]
    image: list[int]


def pack(
    model: LanguageModel,
    dialogues: Sequence[Dialogue],
    length: int | None = None,
    multiple: int = 1,
) -> Packed:
    """Put dialogues into rows, each into the first row that has room.

    Args:
        model: Whose tokens are used.
        dialogues: Any number of pieces each.
        length: Tokens of a row at most. None gives every dialogue a row of its own.
        multiple: The rows' length is rounded up to a multiple of it.

    Returns:
        Rows as long as the fullest.

    Raises:
        ValueError: If there is no dialogue, or one is longer than a row.
    """
    if not dialogues:
        raise ValueError("expected at least one dialogue to pack, got none")
    seen = 0
    rows: list[list[_Row]] = []
    order = []
    for number, dialogue in enumerate(dialogues):
        written, seen = _written(model, dialogue, seen)
        size = len(written.ids)
        if length is not None and size > length:
            raise ValueError(
                f"dialogue {number} has {size} tokens where a row has {length}; give longer rows, fewer turns, or "
                "fewer visual tokens"
            )
        fits = (
            k for k, row in enumerate(rows) if length is not None and _length(row) + size <= length
        )
        place = next(fits, len(rows))
        if place == len(rows):
            rows.append([])
        rows[place].append(written)
        order.append((place, len(rows[place])))
    longest = max(_length(row) for row in rows)
    longest += -longest % multiple
    filled = [_filled(row, longest, model.pad) for row in rows]
    ids, labels, positions, numbers, image = (
        torch.tensor(part) for part in zip(*filled, strict=True)
    )
    return Packed(ids, labels, positions, numbers, image, tuple(order))


def _written(model: LanguageModel, dialogue: Dialogue, seen: int) -> tuple[_Row, int]:
    """Turn pieces into tokens; ``seen`` visual tokens came before."""
    row = _Row([], [], [])
    for piece in dialogue:
        if isinstance(piece, ImageTokens):
            ids, image = [model.pad] * piece.tokens, list(range(seen, seen + piece.tokens))
            seen += piece.tokens
        else:
            ids = model.encode(piece.text)
            ids += [model.eos] if isinstance(piece, Answer) else []
            image = [-1] * len(ids)
        row.ids.extend(ids)
        row.labels.extend(ids if isinstance(piece, Answer) else [IGNORE] * len(ids))
        row.image.extend(image)
    if not row.ids:
        raise ValueError("a dialogue without any token was given; leave it out")
    return row, seen


def _length(row: Sequence[_Row]) -> int:
    return sum(len(part.ids) for part in row)


def _filled(row: Sequence[_Row], length: int, pad: int) -> tuple[list[int], ...]:
    """Write the dialogues of a row one after the other, and padding."""
    rest = length - _length(row)

    def join(parts: list[Any], fill: int) -> list[int]:
        return [value for part in parts for value in part] + [fill] * rest

    return (
        join([part.ids for part in row], pad),
        join([part.labels for part in row], IGNORE),
        join([range(len(part.ids)) for part in row], 0),
        join([[number + 1] * len(part.ids) for number, part in enumerate(row)], 0),
        join([part.image for part in row], -1),
    )


def vectors_of(
    model: LanguageModel,
    packed: Packed,
    visual: Float[Tensor, "visual_token width"] | None = None,
) -> Float[Tensor, "row token width"]:
    """Embed words, and put visual tokens in their places.

    Args:
        model: Whose embedding table is used.
        packed: The rows.
        visual: Of all images, one after the other; None where there is no image.

    Raises:
        ValueError: If their number is not that of the places.
    """
    vectors = model.embed(packed.ids)
    places = packed.image >= 0
    needed, given = int(places.sum()), 0 if visual is None else len(visual)
    if needed != given:
        raise ValueError(
            f"the dialogues have places for {needed} visual tokens, got {given}; give those of all images, in "
            "the order of the dialogues"
        )
    if visual is None:
        return vectors
    own = visual.to(vectors.dtype)[packed.image.clamp(min=0)]
    return torch.where(places[..., None], own, vectors)


def answer_loss(
    model: LanguageModel,
    packed: Packed,
    visual: Float[Tensor, "visual_token width"] | None = None,
) -> Float[Tensor, ""]:
    """Cross-entropy of the answers' tokens, given everything before them in their dialogue.

    Scores exist only where an answer is learned, and only :data:`AT_ONCE` at a time.

    Args:
        model: The language model.
        packed: The rows.
        visual: As in :func:`vectors_of`.

    Returns:
        The mean over all answer tokens; 0 with zero gradients where there is none.
    """
    vectors = vectors_of(model, packed, visual)
    hidden = model.hidden(vectors, packed.mask(), packed.positions)
    # the first token of a dialogue has no predecessor in it; an answer that begins one is learned from its second on
    learned = (packed.labels[:, 1:] != IGNORE) & (packed.dialogue[:, 1:] == packed.dialogue[:, :-1])
    before, targets = hidden[:, :-1][learned], packed.labels[:, 1:][learned]
    if not len(targets):
        return hidden.sum() * 0
    head = model.network.get_output_embeddings().weight
    if (
        head.requires_grad
        or getattr(model.network.get_output_embeddings(), "bias", None) is not None
    ):
        return F.cross_entropy(model.logits(before).float(), targets)
    with torch.autocast(before.device.type, enabled=False):
        loss: Tensor = _FrozenHeadLoss.apply(before, head, targets)
    return loss


class _FrozenHeadLoss(torch.autograd.Function):
    """Cross-entropy behind a frozen output embedding, some rows at a time, gradients computed along the way."""

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, head: Tensor, targets: Tensor) -> Tensor:
        weight = head.to(hidden.dtype)
        total = torch.zeros((), dtype=torch.float32, device=hidden.device)
        gradients = []
        for some, wanted in zip(hidden.split(AT_ONCE), targets.split(AT_ONCE), strict=True):
            scores = F.linear(some, weight).float()
            logs = scores.log_softmax(-1)
            total += -logs.gather(1, wanted[:, None]).sum()
            if ctx.needs_input_grad[0]:
                of_scores = logs.exp_().scatter_add_(
                    1, wanted[:, None], torch.full_like(wanted[:, None], -1, dtype=logs.dtype)
                )
                gradients.append(of_scores.to(hidden.dtype) @ weight)
        if gradients:
            ctx.save_for_backward(torch.cat(gradients))
        ctx.count = len(targets)
        return total / len(targets)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, of_loss: Tensor) -> tuple[Tensor, None, None]:
        (gradient,) = ctx.saved_tensors
        return gradient * (of_loss / ctx.count).to(gradient.dtype), None, None
