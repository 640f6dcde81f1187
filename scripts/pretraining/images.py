"""The stream of pictures a pre-training step sees: made new, seen a few times, never twice the same.

Drawing a picture takes a CPU as long as a quarter of a training step on it. So each picture stays a while in a
pool and is seen several times, each time as another window, turned or mirrored, with its colours exchanged.
What a step sees depends on the seed and the step's number alone, so a run continues where it stopped.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from jaxtyping import Int, UInt8
from torch import Tensor
from torch.utils.data import IterableDataset

from mfnet_lite.world.shapes.images import make_images
from scripts.pretraining.collages import make_collages


class Stream(IterableDataset):
    """Batches (image, levels) of windows from a pool of pictures.

    Args:
        seed: First seed of the pictures.
        first: Number of the first step.
        last: Number after the last step.
        size: Side of the drawn pictures.
        window: Side of what a step sees of them.
        batch: Windows a step.
        fresh: New pictures a step.
        pool: Images kept; each is seen ``batch / fresh`` times on average.
        collages: Share of the new pictures that are collages (``collages.py``).
    """

    def __init__(
        self,
        seed: int,
        first: int,
        last: int,
        *,
        size: int,
        window: int,
        batch: int,
        fresh: int,
        pool: int,
        collages: float = 0.0,
    ) -> None:
        self.seed, self.first, self.last = seed, first, last
        self.size, self.window, self.batch = size, window, batch
        self.fresh, self.pool, self.collages = fresh, pool, collages

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield one batch per step: images uint8 (n, 3, y, x) and ids int16 (n, 3, y, x)."""
        torch.set_num_threads(1)
        steps = -(-self.pool // self.fresh)  # after as many steps a picture leaves the pool
        kept = [self._draw(self.first - k) for k in range(steps, 0, -1)]
        for step in range(self.first, self.last):
            kept = [*kept[1:], self._draw(step)]
            generator = torch.Generator().manual_seed(self.seed + 31 * step)
            chosen = torch.randperm(len(kept) * self.fresh, generator=generator)[: self.batch]
            # The pool is tens of megabytes: only what is seen is touched.
            places = [divmod(i, self.fresh) for i in chosen.tolist()]
            seen = [vary(kept[k][0][i], kept[k][1][i], self.window, generator) for k, i in places]
            yield torch.stack([i for i, _ in seen]), torch.stack([m for _, m in seen])

    def _draw(self, step: int) -> tuple[Tensor, Tensor]:
        # Steps before the first have negative numbers: their pictures fill the pool.
        seed = self.seed + step + 1_000
        # Golden-ratio steps spread the collages evenly, whatever their share.
        many = sum(
            (step * self.fresh + k) * 0.6180339887 % 1 < self.collages for k in range(self.fresh)
        )
        made = [make_collages(seed, many, self.size)] if many else []
        if many < self.fresh:
            made.append(make_images(seed, self.fresh - many, self.size))
        images, levels = [m.image for m in made], [m.levels.to(torch.int16) for m in made]
        return torch.cat(images), torch.cat(levels)


def vary(
    image: UInt8[Tensor, "3 height width"],
    levels: Int[Tensor, "3 height width"],
    window: int,
    generator: torch.Generator,
) -> tuple[UInt8[Tensor, "3 window window"], Int[Tensor, "3 window window"]]:
    """One window of a picture, turned or mirrored, its colour channels in another order."""
    room = image.shape[-1] - window + 1
    y, x, turn, mirror = (
        int(torch.randint(n, (1,), generator=generator)) for n in (room, room, 4, 2)
    )
    order = torch.randperm(3, generator=generator)
    both = []
    for map_ in (image[order], levels):
        part = torch.rot90(map_[:, y : y + window, x : x + window], turn, dims=(1, 2))
        both.append((part.flip(2) if mirror else part).contiguous())
    return both[0], both[1]
