"""What a picture of the world shows, for questions: its objects with boxes, and the class of its scene.

An object is an instance of the world with a name in :data:`NOUNS`; its boxes enclose its visible pixels, so that a
car half under a tree gets the box of its visible half. What is too small to be told is no object, but neither is it
absent: questions that it would make doubtful are not asked (:attr:`VisibleObjects.unclear`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from mfnet_lite.language.boxes import Numbers, Square
from mfnet_lite.language.exchanges import ObjectBox
from mfnet_lite.language.minimal_rectangles import minimal_rectangle
from mfnet_lite.world.caption_words import STREET
from mfnet_lite.world.captions import View

__all__ = [
    "NOUNS",
    "SCENE_CLASSES",
    "VisibleObject",
    "VisibleObjects",
    "scene_class",
    "visible_objects",
]

NOUNS: Mapping[str, str] = {
    "house": "detached house",
    "row house": "row house",
    "hall": "hall",
    "garage": "garage",
    "shed": "shed",
    "crown": "tree",
    "car": "car",
    "container": "container",
    "tank": "tank",
    "pool": "swimming pool",
    "pond": "pond",
}
"""Kind of the world → noun. Ground (lawns, yards, beds) is no object, and a wing is a part of its house."""

SCENE_RULES: tuple[tuple[str, tuple[str, ...], float], ...] = (
    ("construction site", ("construction site",), 0.20),
    ("industrial area", ("hall", "container", "tank"), 0.10),
    ("park", ("meadow", "pond", "path"), 0.30),
    ("row houses", ("row house",), 0.08),
    ("detached houses", ("house", "wing"), 0.08),
    ("paved yard", ("yard",), 0.30),
    ("street", (STREET,), 0.40),
    ("garden", ("lawn", "bed", "shrub", "hedge", "crown", "verge"), 0.50),
)
"""Scene class, the kinds that make it, and the least share of the picture that they cover together.

The first rule that holds decides; rows of houses and detached ones exclude each other by which covers more.
"""

SCENE_CLASSES = (*(name for name, _, _ in SCENE_RULES), "mixed town")
"""All scene classes; the last is what no rule holds for."""


@dataclass(frozen=True)
class VisibleObject:
    """An object of the picture.

    Attributes:
        id: Its instance.
        noun: Its name.
        box: x0, y0, x1, y1 in pixel edges.
        corners: x and y of the corners of its oriented box, the smallest rectangle around its visible pixels.
        pixels: How many are visible.
    """

    id: int
    noun: str
    box: Numbers
    corners: Numbers
    pixels: int

    @property
    def middle(self) -> tuple[float, float]:
        """Middle of the box, x and y."""
        x0, y0, x1, y1 = self.box
        return (x0 + x1) / 2, (y0 + y1) / 2


@dataclass(frozen=True)
class VisibleObjects:
    """The objects of a picture.

    Attributes:
        objects: Those large enough, by ascending instance.
        unclear: Nouns of which something is visible that is too small to count.
        square: Of the picture.
    """

    objects: tuple[VisibleObject, ...]
    unclear: frozenset[str]
    square: Square

    def of(self, noun: str) -> tuple[VisibleObject, ...]:
        """Return the objects of a noun."""
        return tuple(found for found in self.objects if found.noun == noun)

    def count(self, noun: str) -> int | None:
        """Return how many of a noun there are; None where that is unclear."""
        return None if noun in self.unclear else len(self.of(noun))

    def boxes(self, oriented: bool = False) -> list[ObjectBox]:
        """Return all of them with horizontal or oriented boxes."""
        return [
            ObjectBox(found.noun, found.corners if oriented else found.box)
            for found in self.objects
        ]


def visible_objects(view: View, smallest: int = 16) -> VisibleObjects:
    """Find the objects of a picture.

    Args:
        view: The picture.
        smallest: Pixels that an object must show. One that is so thin that its boxes vanish in two decimals does
            not count either.

    Returns:
        The objects, and what is unclear.
    """
    height, width = view.instances.shape
    square = Square(width, height)
    found: list[VisibleObject] = []
    unclear: set[str] = set()
    for number, window in enumerate(ndimage.find_objects(view.instances), start=1):
        noun = NOUNS.get(view.kinds.get(number, ""))
        if window is None or noun is None:
            continue
        rows, cols = window
        mask = view.instances[window] == number
        pixels = int(mask.sum())
        box = (float(cols.start), float(rows.start), float(cols.stop), float(rows.stop))
        corners = minimal_rectangle(mask) + np.array([cols.start, rows.start])
        item = VisibleObject(number, noun, box, tuple(corners.ravel().tolist()), pixels)
        if pixels >= smallest and _can_be_written(item, square):
            found.append(item)
        else:
            unclear.add(noun)
    return VisibleObjects(tuple(found), frozenset(unclear), square)


def scene_class(view: View) -> str:
    """Name the class of a scene by what covers it, see :data:`SCENE_RULES`.

    Args:
        view: The picture.

    Returns:
        One of :data:`SCENE_CLASSES`.
    """
    shares = kind_shares(view)
    houses = {name: sum(shares.get(kind, 0.0) for kind in kinds) for name, kinds, _ in SCENE_RULES}
    for name, _, least in SCENE_RULES:
        if houses[name] < least:
            continue
        if name == "row houses" and houses[name] <= houses["detached houses"]:
            continue
        return name
    return SCENE_CLASSES[-1]


def kind_shares(view: View) -> dict[str, float]:
    """Share of the picture that each kind covers; what has no instance is street.

    Args:
        view: The picture.
    """
    numbers, counts = np.unique(view.instances, return_counts=True)
    shares: dict[str, float] = {}
    for number, count in zip(numbers.tolist(), counts.tolist(), strict=True):
        kind = view.kinds[number] if number else STREET
        shares[kind] = shares.get(kind, 0.0) + count / view.instances.size
    return shares


def _can_be_written(item: VisibleObject, square: Square) -> bool:
    try:
        square.place(item.box)
        square.place(item.corners)
    except ValueError:
        return False
    return True
