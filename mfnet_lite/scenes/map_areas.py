"""The areas of a map that several processes make, each its share, and the files that keep them.

An area is a rectangle of whole blocks of the map. Which areas there are depends on the scene alone, not on the number
of processes, so a map begun by eight goes on with two. An area's file appears under its name when it is complete; a
process that was killed lost the area it was at and nothing else.

Every pixel lies in one area and is computed once, by all the windows that see it. Windows across the border of two
areas are computed for both; that is what the processes pay for not having to talk to each other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import UInt8
from torch import nn

from mfnet_lite.rasters.write import BLOCK
from mfnet_lite.scenes.part_folder import begin_folder
from mfnet_lite.utils.files import replacing
from mfnet_lite.utils.hashes import hash_tensors
from mfnet_lite.utils.processes import Ranks

Rows = tuple[UInt8[np.ndarray, "rows width"], UInt8[np.ndarray, "rows width"] | None]
"""Some rows of the map, and of its confidence if that is wanted."""


class Area(NamedTuple):
    """A rectangle of a scene; ``bottom`` and ``right`` lie behind it."""

    top: int
    bottom: int
    left: int
    right: int

    @property
    def size(self) -> int:
        """Its pixels."""
        return (self.bottom - self.top) * (self.right - self.left)


def panels(width: int, panel: int) -> list[tuple[int, int]]:
    """Divide the columns of a scene into panels of whole blocks of the file.

    Args:
        width: Columns of the scene.
        panel: Wished width of a panel; it is rounded up to whole blocks.

    Returns:
        First column of each panel and the column behind its last.

    Example:
        >>> panels(1000, 300)
        [(0, 512), (512, 1000)]
    """
    if panel < 1:
        raise ValueError(f"panel must be at least 1, got {panel}")
    step = -(-panel // BLOCK) * BLOCK
    return [(left, min(left + step, width)) for left in range(0, width, step)]


def areas_of(height: int, width: int, side: int) -> list[Area]:
    """Divide a scene into areas, panel after panel, each from top to bottom.

    Args:
        height: Rows of the scene.
        width: Its columns.
        side: Wished side of an area; it is rounded up to whole blocks.

    Example:
        >>> [area.size for area in areas_of(600, 1000, 512)]
        [262144, 45056, 249856, 42944]
    """
    return [
        Area(top, bottom, left, right)
        for left, right in panels(width, side)
        for top, bottom in panels(height, side)
    ]


def network_plan(model: nn.Module) -> dict[str, Any]:
    """Return what of a network decides about a map, as it is noted in a folder of areas.

    Args:
        model: The network, or a wrapper of it.

    Returns:
        A hash of its weights; and the words that it segments by, which no tensor holds, if it has any.
    """
    found: list[Any] = [getattr(module, "words", None) for module in model.modules()]
    words = [[list(phrases) for phrases in each] for each in found if _are_words(each)]
    return {"weights": hash_tensors(model.state_dict())[:16]} | ({"words": words} if words else {})


def _are_words(found: Any) -> bool:
    """Whether an attribute holds the phrases of each class; a network of somebody else may call anything so."""
    return isinstance(found, tuple) and all(
        isinstance(phrases, tuple | list) and all(isinstance(each, str) for each in phrases)
        for phrases in found
    )


class AreaFiles:
    """Finished areas of a map in a folder.

    Args:
        folder: The folder.
        areas: All areas of the map.
    """

    def __init__(self, folder: Path, areas: list[Area]) -> None:
        self.folder, self.areas = folder, areas

    def begin(self, ranks: Ranks, plan: Mapping[str, Any]) -> None:
        """Start the folder, or see that what is there belongs to the same map.

        Args:
            ranks: The processes; the first one looks, the others wait for it.
            plan: What the map is made from and how.

        Raises:
            ValueError: If the folder holds areas of another map.
        """
        if ranks.first:
            begin_folder(self.folder, dict(plan))
        ranks.wait()

    def missing(self, ranks: Ranks) -> list[Area]:
        """List the areas of this process's share that are not there yet."""
        return [area for area in ranks.share(self.areas) if not self._file(area).exists()]

    def save(self, area: Area, rows: Iterable[Rows]) -> None:
        """Write an area.

        Args:
            area: Which.
            rows: All of its rows from top to bottom.
        """
        labels, sure = zip(*rows, strict=True)
        arrays = {"labels": np.concatenate(labels)}
        if sure[0] is not None:
            arrays["confidence"] = np.concatenate(sure)
        with replacing(self._file(area)) as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, **arrays)  # type: ignore[arg-type]  # numpy 2.0 knows only arrays by position

    def rows(self, left: int, right: int) -> Iterator[Rows]:
        """Read the rows of a panel, area by area from top to bottom."""
        for area in self.areas:
            if (area.left, area.right) == (left, right):
                with np.load(self._file(area), allow_pickle=False) as file:
                    yield file["labels"], file.get("confidence")

    def _file(self, area: Area) -> Path:
        return self.folder / f"{area.top}_{area.left}.npz"
