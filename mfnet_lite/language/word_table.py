"""A table of word vectors, and how any phrase becomes rows of it.

A phrase is split at everything that is no letter, in lower case: "Low-vegetation" is "low" and "vegetation". Each
word is then looked for in this order, and the first that is found counts:

1. the word itself;
2. its singular (cars, bushes, cherries), its plural, or what an ending "-ed" was put to (terraced);
3. pieces: the longest known beginning of at least three letters, then the same with the rest, until nothing is left
   ("driveway" is "drive" and "way"). If a rest cannot be split, a shorter beginning is tried.

A word of which no such division exists is unknown. It is left out, and the table says so once through the logger; a
phrase of unknown words alone is refused.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Sequence
from functools import cache
from importlib import resources
from pathlib import Path
from typing import NamedTuple

import torch
from jaxtyping import Float, Int, Int8
from torch import Tensor

from mfnet_lite.utils.checked_files import read_tensors
from mfnet_lite.utils.hashes import verify

__all__ = ["PhraseWords", "WordTable", "load_words", "read_words", "split_phrase"]

LOGGER = logging.getLogger("mfnet_lite.language")
"""The logger of remarks on words, which Python prints on stderr unless the program says otherwise."""
SHORTEST = 3
"""Letters that a piece of a word must have."""
NAME = "vision_language_words"
"""Of the packaged table's files."""


class PhraseWords(NamedTuple):
    """A phrase as rows of a table.

    Args:
        rows: One per known word or piece, in order.
        unknown: The words left out.
        divided: Words that stand for several pieces, with these.
    """

    rows: list[int]
    unknown: list[str]
    divided: dict[str, list[str]]


def split_phrase(phrase: str) -> list[str]:
    """Split a phrase into words: runs of letters, in lower case."""
    return re.findall(r"[^\W\d_]+", phrase.lower())


class WordTable:
    """Vectors of words, each a row of whole numbers from -127 to 127 with a scale of its own.

    Args:
        words: In lower case, each once.
        numbers: One row per word.
        scales: What each row is multiplied by.

    Raises:
        ValueError: If the lengths differ or a word stands there twice.

    Example:
        >>> table = WordTable(["car", "red"], torch.tensor([[1, 0], [0, 2]], dtype=torch.int8), torch.ones(2))
        >>> table.find("Red cars").rows, table.vectors([0]).tolist()
        ([1, 0], [[1.0, 0.0]])
    """

    def __init__(
        self,
        words: Sequence[str],
        numbers: Int8[Tensor, "word width"],
        scales: Float[Tensor, " word"],
    ) -> None:
        self.words = list(words)
        self.index = {word: row for row, word in enumerate(self.words)}
        if not len(self.index) == len(self.words) == len(numbers) == len(scales):
            raise ValueError(
                f"expected as many different words as vectors and scales, got {len(self.index)} different ones "
                f"of {len(self.words)}, {len(numbers)} vectors and {len(scales)} scales"
            )
        self.numbers, self.scales = numbers, scales
        self._told: set[str] = set()

    @property
    def width(self) -> int:
        """Channels of a vector."""
        return self.numbers.shape[1]

    def vectors(self, rows: Sequence[int]) -> Float[Tensor, "row width"]:
        """Return vectors of rows."""
        chosen: Int[Tensor, " row"] = torch.tensor(list(rows), dtype=torch.long)
        return self.numbers[chosen].float() * self.scales[chosen].float()[:, None]

    def find(self, phrase: str) -> PhraseWords:
        """Turn a phrase into rows, and say once which words are unknown or divided.

        Args:
            phrase: Words in any case, with any signs between.

        Raises:
            ValueError: If nothing of it is known.
        """
        rows: list[int] = []
        unknown: list[str] = []
        divided: dict[str, list[str]] = {}
        words = split_phrase(phrase)
        for word in words:
            pieces = self._known(word)
            rows += [self.index[piece] for piece in pieces]
            if not pieces:
                unknown.append(word)
            elif len(pieces) > 1:
                divided[word] = pieces
        if not rows:
            what = ", ".join(repr(word) for word in words) if words else f"of {phrase!r}"
            raise ValueError(
                f"the table of {len(self.words)} words knows nothing {what if not words else 'of ' + what}; "
                "say it in common English words"
            )
        self._tell(unknown, divided)
        return PhraseWords(rows, unknown, divided)

    def _tell(self, unknown: list[str], divided: dict[str, list[str]]) -> None:
        """Log remarks on words, each once."""
        remarks = {word: f"the word {word!r} is unknown and left out" for word in unknown}
        remarks |= {
            word: f"the word {word!r} is unknown and read as {' + '.join(pieces)}"
            for word, pieces in divided.items()
        }
        for word, remark in remarks.items():
            if word not in self._told:
                self._told.add(word)
                LOGGER.warning("%s", remark)

    def _known(self, word: str) -> list[str]:
        """Return what stands for a word: itself, its other number, or its pieces; nothing if unknown."""
        for form in (word, *_other_forms(word)):
            if form in self.index:
                return [form]
        return self._pieces(word)

    def _pieces(self, word: str) -> list[str]:
        """Divide a word into known pieces, the first as long as possible."""
        for end in range(len(word) - SHORTEST, SHORTEST - 1, -1):
            if word[:end] in self.index:
                rest = word[end:]
                forms = [f for f in (rest, *_other_forms(rest)) if f in self.index]
                others = forms[:1] or self._pieces(rest)
                if others:
                    return [word[:end], *others]
        return []


def _other_forms(word: str) -> list[str]:
    """Return possible singulars, or the plural; and what may have got the ending -ed."""
    if len(word) <= SHORTEST:
        return [word + "s"]
    forms = [word[:-3] + "y"] if word.endswith("ies") else []
    forms += [word[:-2]] if word.endswith("es") else []
    forms += [word[:-1]] if word.endswith("s") else [word + "s", word + "es"]
    forms += [word[:-1], word[:-2]] if word.endswith("ed") else []
    return forms


def read_words(vectors: str | Path, words: str | Path) -> WordTable:
    """Read a table.

    Args:
        vectors: A ``.safetensors`` file with the tensors ``numbers`` and ``scales``.
        words: A text file, a word per line.

    Raises:
        ValueError: If they are damaged or do not belong together.
    """
    try:
        tensors = read_tensors(vectors)[0]
        listed = Path(words).read_text(encoding="utf-8").split()
        return WordTable(listed, tensors["numbers"], tensors["scales"])
    except KeyError as error:
        raise ValueError(f"{vectors} lacks {error}, so it holds no table of words.") from None


@cache
def load_words() -> WordTable:
    """Load the table that ships with the package; how it was made stands in its model card.

    Raises:
        FileNotFoundError: If a file is missing from the installation.
        ValueError: If a file is not the packaged one.
    """
    folder = Path(str(resources.files("mfnet_lite"))) / "weights"
    card = folder / f"{NAME}.json"
    files = {suffix: folder / f"{NAME}{suffix}" for suffix in (".safetensors", ".txt")}
    for path in (card, *files.values()):
        if not path.is_file():
            raise FileNotFoundError(
                f"{path} is missing from this installation; install mfnet-lite again"
            )
    facts = json.loads(card.read_text(encoding="utf-8"))
    for suffix, path in files.items():
        expected = facts["files"][suffix]
        verify(path, expected["sha256"], expected["size"], "install mfnet-lite again")
    return read_words(files[".safetensors"], files[".txt"])
