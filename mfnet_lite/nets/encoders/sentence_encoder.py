"""The text side by a sentence encoder that the user names: a frozen BERT, mean pooling, one trained projection.

The text stays as it is and the image encoder learns to meet it: locked tuning with the sides of "LiT" exchanged
(Zhai et al., CVPR 2022, arXiv 2111.07991). Whatever words such an encoder understands, the pair can be asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from mfnet_lite.nets.encoders.vision_language import TextEncoder, TextTokens


class SentenceEncoder(TextEncoder):
    """A BERT of transformers with mean pooling, and a projection into the joint space.

    Args:
        name: A folder with the files of model and tokenizer, or a name that transformers knows.
        joint: Channels of the joint space.

    Raises:
        ImportError: If transformers is not installed.
        FileNotFoundError: If nothing of that name can be opened.
        ValueError: If the network takes no word embeddings, as a BERT does.
    """

    FOREIGN: ClassVar[str] = "text.bert."
    """Beginning of the names of weights that are not ours and are in no file of ours."""

    def __init__(self, name: str, joint: int) -> None:
        super().__init__()
        try:
            from transformers import AutoModel, AutoTokenizer
        except ImportError:
            raise ImportError(
                f"the sentence encoder {name!r} needs transformers, which is not installed; "
                "run `pip install transformers`"
            ) from None
        try:
            self.tokenizer: Any = AutoTokenizer.from_pretrained(name)
            self.bert: Any = AutoModel.from_pretrained(name)
        except (OSError, ValueError) as error:
            kind = "folder" if Path(name).is_dir() else "name"
            raise FileNotFoundError(
                f"transformers cannot open a sentence encoder from the {kind} {name!r}: "
                f"{str(error).splitlines()[0]}"
            ) from error
        embeddings = getattr(self.bert, "embeddings", None)
        if not isinstance(getattr(embeddings, "word_embeddings", None), nn.Embedding):
            raise ValueError(
                f"expected a network with word embeddings, such as a BERT, got {type(self.bert).__name__} from {name!r}"
            )
        self.bert.requires_grad_(False)
        self.width, self.joint = self.bert.config.hidden_size, joint
        self.direct = nn.Linear(self.width, joint)
        self.eval()

    def tokens(self, phrases: Sequence[str]) -> TextTokens:
        """Look up the vectors of the tokens.

        Args:
            phrases: At least one; words in any case.

        Raises:
            ValueError: If there is none, or one has no words.
        """
        if isinstance(phrases, str) or not phrases:
            raise ValueError(f"expected a list of phrases, got {phrases!r}")
        empty = [phrase for phrase in phrases if not phrase.strip()]
        if empty:
            raise ValueError(f"the phrase {empty[0]!r} has no words; say what to look for")
        found = self.tokenizer(list(phrases), padding=True, return_tensors="pt")
        device = self.direct.weight.device
        vectors: Tensor = self.bert.embeddings.word_embeddings(found["input_ids"].to(device))
        return TextTokens(vectors, found["attention_mask"].bool().to(device))

    def encode(
        self, tokens: TextTokens, prompts: Float[Tensor, "prompt width"] | None = None
    ) -> Float[Tensor, "phrase joint"]:
        """Run the network and project the mean of its last vectors; prompts stand after its first token.

        Args:
            tokens: From :meth:`tokens`.
            prompts: Learned vectors before the words.
        """
        vectors, there = tokens
        if prompts is not None:
            front = prompts.to(vectors).expand(len(vectors), -1, -1)
            vectors = torch.cat([vectors[:, :1], front, vectors[:, 1:]], dim=1)
            there = torch.cat([there[:, :1], there.new_ones(front.shape[:2]), there[:, 1:]], dim=1)
        hidden = self.bert(inputs_embeds=vectors, attention_mask=there.long()).last_hidden_state
        share = there[:, :, None].to(hidden) / there.sum(dim=1)[:, None, None].to(hidden)
        out: Tensor = self.direct((hidden * share).sum(dim=1))
        return out
