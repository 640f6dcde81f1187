"""What the vision-language pair learns from: pixels, regions and whole pictures against words, words against words."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional as F

from mfnet_lite.losses import pixel_text_alignment
from mfnet_lite.nets.encoders.tiny_pair import SmallPair
from mfnet_lite.nets.encoders.vision_language import TextTokens
from mfnet_lite.nets.encoders.word_text import WordTextEncoder
from mfnet_lite.world.caption_words import CLASS_WORDS
from scripts.pretraining.pair_batches import KINDS, Batch, names_of

NOISE = 0.3
"""Length of the noise on word vectors, whose own length is about 1."""
DROPPED = 0.1
"""Share of words left out of phrases of several."""
WORDS = 256
"""Words whose cosines are compared per step."""
WEIGHTS = {"kinds": 1.0, "classes": 0.5, "regions": 0.5, "captions": 0.25, "words": 2.0}


def matches(
    phrases: list[str], names: list[str], labels: list[int]
) -> tuple[Bool[Tensor, "n n"], Bool[Tensor, "n n"]]:
    """Say which phrase is true of which region, and of which pairs nothing is known.

    A phrase is true of its own region, and of those of the same kind if it is nothing but a name of the kind. Of
    another region of the same class it may be true ("roofs" of a house), so the pair does not count; unless the kinds
    are the same and both phrases have adjectives.

    Returns:
        True pairs, and pairs that do not count.
    """
    count = len(phrases)
    true = torch.eye(count, dtype=torch.bool)
    unknown = torch.zeros(count, count, dtype=torch.bool)
    plain = [not n or p in names_of(n) for p, n in zip(phrases, names, strict=True)]
    for i in range(count):
        for j in range(count):
            if labels[i] != labels[j] or i == j:
                continue
            same = names[i] == names[j]
            if same and (plain[j] or phrases[i] == phrases[j]):
                true[i, j] = True
            else:
                unknown[i, j] = not same or plain[i]
    return true, unknown


def contrast(
    a: Float[Tensor, "n joint"],
    b: Float[Tensor, "n joint"],
    scale: Tensor,
    true: Bool[Tensor, "n n"],
    unknown: Bool[Tensor, "n n"],
) -> Float[Tensor, ""]:
    """Both directions of the contrast with several true partners: minus the log of their summed probability."""
    logits = scale * F.normalize(a, dim=1) @ F.normalize(b, dim=1).T
    logits = logits.masked_fill(unknown, -torch.inf)
    chosen = logits.masked_fill(~true, -torch.inf)
    loss = torch.zeros(())
    for axis in (0, 1):
        loss = loss + (logits.logsumexp(axis) - chosen.logsumexp(axis)).mean() / 2
    return loss


def disturb(tokens: TextTokens, generator: torch.Generator) -> TextTokens:
    """Add noise to word vectors and leave words out, at least one of every phrase staying."""
    vectors, there = tokens
    noise = torch.randn(vectors.shape, generator=generator) * (NOISE / vectors.shape[-1] ** 0.5)
    kept = there & (torch.rand(there.shape, generator=generator) >= DROPPED)
    kept = torch.where(kept.any(dim=1, keepdim=True), kept, there)
    return TextTokens((vectors + noise) * there[:, :, None], kept)


def word_geometry(text: WordTextEncoder, rng: np.random.Generator) -> Float[Tensor, ""]:
    """Cosines of any two words should be the same before and after the text encoder.

    So words that no caption uses move along with those that captions use.
    """
    rows = rng.choice(len(text.table.words), WORDS, replace=False).tolist()
    vectors = text.table.vectors(rows)
    before = F.normalize(vectors, dim=1)
    there = torch.ones(len(rows), 1, dtype=torch.bool)
    after = F.normalize(text.encode(TextTokens(vectors[:, None], there)).float(), dim=1)
    return (after @ after.T - before @ before.T).square().mean()


def pair_losses(
    pair: SmallPair, batch: Batch, rng: np.random.Generator, generator: torch.Generator
) -> dict[str, Tensor]:
    """All losses of a batch, unweighted."""
    images = (batch.images - pair.image.mean) / pair.image.std
    grid = pair.image.grid(images)
    tokens = pair.image.embed(images)
    for number in range(pair.image.depth):
        tokens = pair.image.block(number, tokens, grid)
    visual = pair.visual(tokens, grid).float()
    whole, patches = visual[:, 0], visual[:, 1:]
    dense = patches.transpose(1, 2).unflatten(2, grid)

    names = [str(rng.choice(names_of(kind))) for kind in KINDS]
    classes = [str(rng.choice(words)) for words in CLASS_WORDS if words]
    asked = [*names, *classes, *batch.captions, *batch.phrases]
    found = pair.text.tokens(asked)
    if isinstance(pair.text, WordTextEncoder):
        found = disturb(found, generator)
    text = pair.text.encode(found).float()
    parts = text.split([len(names), len(classes), len(batch.captions), len(batch.phrases)])
    scale = pair.log_scale.exp().clamp(max=40)

    losses = {}
    for key, words, label in (
        ("kinds", parts[0], batch.kinds),
        ("classes", parts[1], batch.classes),
    ):
        every = words.expand(len(images), -1, -1)
        losses[key] = pixel_text_alignment(dense, every, label, "softmax", scale)
    own = patches[batch.owners]
    pooled = (batch.shares[:, :, None] * F.normalize(own, dim=2)).sum(dim=1)
    losses["regions"] = contrast(
        pooled, parts[3], scale, *matches(batch.phrases, batch.names, batch.labels)
    )
    same = torch.tensor([[a == b for b in batch.captions] for a in batch.captions])
    losses["captions"] = contrast(whole, parts[2], scale, same, torch.zeros_like(same))
    if isinstance(pair.text, WordTextEncoder):
        losses["words"] = word_geometry(pair.text, rng)
    return losses
