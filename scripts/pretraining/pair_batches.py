"""Batches for the vision-language pair: crops of towns, where their kinds lie, captions and phrases of regions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from einops import rearrange, reduce
from jaxtyping import Float, Int, UInt8
from scipy import ndimage
from torch import Tensor
from torch.utils.data import IterableDataset

from mfnet_lite.world.caption_words import CLASS_WORDS, KIND_WORDS
from mfnet_lite.world.captions import Region, View, describe, describe_regions
from scripts.pretraining.town_scenes import Town, load_town

PATCH = 8
IGNORE = 255
KINDS = [kind for kind, words in KIND_WORDS.items() if words.countable + words.mass]
"""Kinds that captions name."""
REGIONS = 6
"""Regions drawn per crop."""


def names_of(kind: str) -> tuple[str, ...]:
    """All names of a kind for training."""
    return KIND_WORDS[kind].countable + KIND_WORDS[kind].mass


class Batch(NamedTuple):
    """Crops with what is said about them.

    Attributes:
        images: In [0, 1].
        kinds: Index into :data:`KINDS` at half resolution; 255 where no caption has a name.
        classes: Class at half resolution; 255 for clutter, which has no name as a class.
        captions: One per crop.
        owners: Crop of each region.
        shares: Share of each patch that a region covers.
        phrases: One per region.
        names: Kind of each region; empty for whole classes.
        labels: Class of each region.
    """

    images: Float[Tensor, "batch 3 size size"]
    kinds: Int[Tensor, "batch half half"]
    classes: Int[Tensor, "batch half half"]
    captions: list[str]
    owners: Int[Tensor, " region"]
    shares: Float[Tensor, "region patch"]
    phrases: list[str]
    names: list[str]
    labels: list[int]


def photometric(
    rgb: UInt8[np.ndarray, "rows cols 3"], rng: np.random.Generator
) -> Float[np.ndarray, "rows cols 3"]:
    """Change brightness, contrast, tone, colour cast and saturation a little, blur, add noise."""
    image = rgb.astype(np.float32) / 255
    image = image ** np.float32(np.exp(rng.normal(0, 0.2)))
    image = (
        image
        * np.float32(np.exp(rng.normal(0, 0.15)))
        * np.exp(rng.normal(0, 0.06, 3)).astype(np.float32)
    )
    mean = image.mean()
    image = mean + (image - mean) * np.float32(np.exp(rng.normal(0, 0.2)))
    grey = image.mean(axis=2, keepdims=True)
    image = grey + (image - grey) * np.float32(np.clip(rng.normal(1, 0.3), 0, 1.6))
    if rng.random() < 0.3:
        image = ndimage.gaussian_filter(image, (*[rng.uniform(0.3, 1.0)] * 2, 0))
    if rng.random() < 0.5:
        noise = rng.standard_normal(image.shape, dtype=np.float32)
        image = image + np.float32(rng.uniform(0, 0.03)) * noise
    return np.clip(image, 0, 1).astype(np.float32)


def cut(town: Town, size: int, rng: np.random.Generator) -> View:
    """Cut a window at random, turned and mirrored at random."""
    row, col = rng.integers(0, town.label.shape[0] - size + 1, 2)
    window = np.s_[row : row + size, col : col + size]
    turns, mirror = int(rng.integers(4)), rng.random() < 0.5
    rgb, label, instances = (
        np.rot90(x[window], turns)[:, :: -1 if mirror else 1]
        for x in (town.rgb, town.label, town.instances)
    )
    return View(rgb, label, instances, town.kinds, town.gsd, town.season)


def kind_map(view: View) -> Int[np.ndarray, "rows cols"]:
    """Number of the kind of each pixel."""
    table = np.full(max(view.kinds, default=0) + 1, IGNORE, np.int64)
    table[0] = KINDS.index("street")
    for number, kind in view.kinds.items():
        table[number] = KINDS.index(kind) if kind in KINDS else IGNORE
    return table[view.instances]


def draw_regions(view: View, rng: np.random.Generator) -> list[Region]:
    """Draw some regions, each kind with the same chance, however many of it there are."""
    found = describe_regions(view, rng)
    names = [region.kind or region.label for region in found]
    chance = np.array([1 / names.count(name) for name in names])
    count = min(REGIONS, len(found))
    picked = rng.choice(len(found), count, False, chance / chance.sum()) if count else []
    return [found[k] for k in picked]


def make_batch(towns: list[Town], count: int, size: int, rng: np.random.Generator) -> Batch:
    """Draw crops and what is said about them."""
    views = [cut(towns[int(rng.integers(len(towns)))], size, rng) for _ in range(count)]
    images = np.stack([photometric(view.rgb, rng) for view in views])
    kinds = np.stack([kind_map(view)[::2, ::2] for view in views])
    classes = np.stack([view.label[::2, ::2].astype(np.int64) for view in views])
    for label, words in enumerate(CLASS_WORDS):
        if not words:
            classes[classes == label] = IGNORE
    regions = [(k, region) for k, view in enumerate(views) for region in draw_regions(view, rng)]
    masks = np.stack([region.mask for _, region in regions]).astype(np.float32)
    shares = reduce(masks, "n (h p) (w q) -> n (h w)", "mean", p=PATCH, q=PATCH)
    return Batch(
        torch.from_numpy(rearrange(images, "b h w c -> b c h w").copy()),
        torch.from_numpy(kinds),
        torch.from_numpy(classes),
        [describe(view, rng) for view in views],
        torch.tensor([k for k, _ in regions]),
        torch.from_numpy(shares),
        [region.phrase for _, region in regions],
        [region.kind for _, region in regions],
        [region.label for _, region in regions],
    )


class Batches(IterableDataset):
    """The batches of a training from a step on; each depends on the seed and its step alone.

    Args:
        scenes: Folder of ``town_scenes``.
        first: First step.
        steps: One past the last step.
        count: Crops per batch.
        size: Side of a crop.
        seed: Of the training.
    """

    def __init__(
        self, scenes: Path, first: int, steps: int, count: int, size: int, seed: int
    ) -> None:
        self.files = sorted(scenes.glob("*.npz"))
        if not self.files:
            raise FileNotFoundError(f"{scenes} holds no scenes; make some with town_scenes first")
        self.first, self.steps, self.count, self.size, self.seed = first, steps, count, size, seed

    def __iter__(self) -> Iterator[Batch]:
        towns = [load_town(path) for path in self.files]
        for step in range(self.first, self.steps):
            yield make_batch(towns, self.count, self.size, np.random.default_rng([self.seed, step]))
