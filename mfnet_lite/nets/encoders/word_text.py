r"""A small text encoder over word vectors: nearly linear, so that words it never saw keep their meaning.

A phrase with word vectors :math:`x_i` becomes

.. math:: t = \sum_i a_i (V x_i) + g \odot W \sum_i a_i h_i, \qquad a = \mathrm{softmax}(w^\top h_i)

where :math:`h` is the output of one transformer layer that reads the words in their order. The first part is a
weighted mean of vectors that a single matrix, the identity at first, turns into the joint space: near words stay
near. The second one corrects it where order or company matters; its gate :math:`g` begins at zero.

Positions are counted from the last word, mostly the noun. So learned prompts, which stand directly before the words,
move no word to another position, and where they stand themselves does not hang on the other phrases of a call.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from mfnet_lite.language import WordTable
from mfnet_lite.nets.encoders.vision_language import TextEncoder, TextTokens

POSITIONS = 16
"""Words from the end that have a position of their own; earlier ones share the last."""


class WordTextEncoder(TextEncoder):
    """Word vectors, one transformer layer, attention pooling.

    Args:
        table: Vectors of words; they are not trained and not part of the state.
        joint: Channels of the joint space.
        heads: Of the transformer layer.

    Example:
        >>> table = WordTable(["car", "red"], torch.eye(2, 8).char(), torch.ones(2))
        >>> WordTextEncoder(table, joint=8, heads=2)(["red car", "Cars"]).shape
        torch.Size([2, 8])
    """

    def __init__(self, table: WordTable, joint: int, heads: int = 4) -> None:
        super().__init__()
        self.table = table
        self.width, self.joint = table.width, joint
        self.position = nn.Parameter(torch.zeros(POSITIONS, self.width))
        self.layer = nn.TransformerEncoderLayer(
            self.width, heads, 2 * self.width, dropout=0.0, activation="gelu", batch_first=True,
            norm_first=True,
        )  # fmt: skip
        self.attend = nn.Linear(self.width, 1)
        self.direct = nn.Linear(self.width, joint, bias=False)
        self.correct = nn.Linear(self.width, joint)
        self.gate = nn.Parameter(torch.zeros(joint))
        nn.init.zeros_(self.attend.weight)
        nn.init.eye_(self.direct.weight)

    def tokens(self, phrases: Sequence[str]) -> TextTokens:
        """Turn phrases into word vectors.

        Args:
            phrases: At least one; words in any case.

        Raises:
            ValueError: If there is none, or one has no known word.
        """
        if isinstance(phrases, str) or not phrases:
            raise ValueError(f"expected a list of phrases, got {phrases!r}")
        rows = [self.table.find(phrase).rows for phrase in phrases]
        longest = max(map(len, rows))
        vectors = torch.zeros(len(rows), longest, self.width)
        there = torch.zeros(len(rows), longest, dtype=torch.bool)
        for k, found in enumerate(
            rows
        ):  # at the end, so that the last word is always the last token
            vectors[k, longest - len(found) :] = self.table.vectors(found)
            there[k, longest - len(found) :] = True
        # in the format of the weights, which vectors in float32 would not let them keep
        return TextTokens(vectors.to(self.position), there.to(self.position.device))

    def encode(
        self, tokens: TextTokens, prompts: Float[Tensor, "prompt width"] | None = None
    ) -> Float[Tensor, "phrase joint"]:
        """Turn word vectors into one embedding per phrase.

        Args:
            tokens: From :meth:`tokens`.
            prompts: Learned vectors directly before the words of each phrase.
        """
        vectors, there = tokens if prompts is None else _prompted(tokens, prompts)
        count = vectors.shape[1]
        from_end = torch.arange(count - 1, -1, -1, device=vectors.device).clamp(max=POSITIONS - 1)
        hidden = self.layer(vectors + self.position[from_end], src_key_padding_mask=~there)
        score = self.attend(hidden).squeeze(-1).masked_fill(~there, -torch.inf)
        weight = score.float().softmax(dim=1)[:, :, None].to(hidden)
        direct = self.direct((weight * vectors).sum(dim=1))
        out: Tensor = direct + self.gate * self.correct((weight * hidden).sum(dim=1))
        return out


def _prompted(tokens: TextTokens, prompts: Float[Tensor, "prompt width"]) -> TextTokens:
    """Put vectors between the padding of a phrase, which stands in front, and its words."""
    vectors, there = tokens
    front = prompts.to(vectors).expand(len(vectors), -1, -1)
    more = front.shape[1]
    joined = torch.cat([front, vectors], dim=1)
    padding = (~there).sum(dim=1, keepdim=True)
    place = torch.arange(joined.shape[1], device=there.device)
    from_joined = torch.where(place < padding, place + more, place)
    from_joined = torch.where(
        (place >= padding) & (place < padding + more), place - padding, from_joined
    )
    index = from_joined[:, :, None].expand(-1, -1, joined.shape[2])
    return TextTokens(joined.gather(1, index), place >= padding)
