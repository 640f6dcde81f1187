"""Captions of the world: what a picture shows, said in words, of the whole and of regions.

Nothing is guessed. A caption is composed of what the world knows to be in the picture: objects with their kinds and
areas, what lies beside what, the season. Only colours are read from the picture itself, since a caption speaks of what
is seen. The words stand in ``caption_words.py``; those held out for tests are never used here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int, UInt8

from mfnet_lite.utils.counted_nouns import plural_of
from mfnet_lite.world.caption_words import CLASS_WORDS, KIND_WORDS, STREET
from mfnet_lite.world.config import CLASSES
from mfnet_lite.world.scene import Scene

__all__ = ["Region", "View", "describe", "describe_regions", "view_of"]


SOME_COLOUR = ("house", "row house", "hall", "garage", "shed", "wing", "car", "container", "pad")
NUMBERS = ("", "one", "two", "three", "four", "five", "six")
SMALL_LARGE = {  # square metres
    "house": (90, 150), "hall": (250, 700), "shed": (7, 12), "crown": (12, 45), "shrub": (4, 14),
    "lawn": (60, 400), "meadow": (400, 2500), "yard": (100, 700), "pond": (120, 400),
    "construction site": (150, 500),
}  # fmt: skip
OPENINGS = (
    "",
    "",
    "an aerial photo of ",
    "an aerial image of ",
    "seen from above: ",
    "a picture of ",
)


class View(NamedTuple):
    """A picture and what is known about it; a window of a scene, or the whole.

    Args:
        rgb: Red, green, blue.
        label: Classes.
        instances: Objects, 0 for the ground without one.
        kinds: Kind of each instance.
        gsd: Metres per pixel.
        season: Of the year.
    """

    rgb: UInt8[np.ndarray, "rows cols 3"]
    label: UInt8[np.ndarray, "rows cols"]
    instances: Int[np.ndarray, "rows cols"]
    kinds: Mapping[int, str]
    gsd: float
    season: str


class Region(NamedTuple):
    """A part of a picture and a phrase for it.

    Args:
        kind: What it is; empty for the region of a whole class.
        label: Its class.
        phrase: A phrase.
        mask: Where it is.
    """

    kind: str
    label: int
    phrase: str
    mask: Bool[np.ndarray, "rows cols"]


def view_of(scene: Scene, window: tuple[slice, slice] | None = None) -> View:
    """Cut what captions need out of a scene.

    Args:
        scene: The scene.
        window: Rows and columns; the whole scene when ``None``.
    """
    window = window or (slice(None), slice(None))
    rgb = np.moveaxis(scene.optical[:3], 0, -1)[window]
    kinds = {found.id: found.kind for found in scene.objects}
    return View(
        rgb, scene.label[window], scene.instances[window], kinds, scene.gsd, scene.config.season
    )


def describe(view: View, rng: np.random.Generator, smallest: float = 0.002) -> str:
    """Say what a picture shows, in one of many ways that are all true.

    Args:
        view: The picture.
        rng: Draws what is mentioned, and the words.
        smallest: Share of the picture that a thing must cover to be mentioned.

    Returns:
        A sentence without a full stop, such as "two houses and a parked car beside a lawn, in winter".
    """
    members = _visible(view, smallest)
    opening = str(rng.choice(OPENINGS))
    ending = f", in {view.season}" if rng.random() < 0.25 else ""
    if not members:
        return opening + str(rng.choice(_class_names(_largest_class(view)))) + ending
    shares = {kind: sum(members[kind].values()) for kind in members}
    kinds = list(members)
    weights = np.sqrt([shares[kind] for kind in kinds])
    count = min(len(kinds), int(rng.integers(1, 4)))
    chosen = [kinds[k] for k in rng.choice(len(kinds), count, False, weights / weights.sum())]
    parts = [_counted(kind, len(members[kind]), rng) for kind in chosen]
    if rng.random() < 0.35:
        pair = _neighbours(view, members, rng)
        if pair:
            beside = str(rng.choice(("beside", "next to", "near")))
            parts = [f"{_one(pair[0], rng)} {beside} {_one(pair[1], rng)}"]
    share = (
        np.bincount(view.label.ravel(), minlength=len(CLASSES))[: len(CLASSES)] / view.label.size
    )
    top = int(share.argmax())
    if share[top] > 0.5 and rng.random() < 0.4 and _class_names(top):
        parts.append(f"mostly {rng.choice(_class_names(top))}")
    return opening + _joined(parts) + ending


def describe_regions(
    view: View, rng: np.random.Generator, smallest: int = 24, classes: bool = True
) -> list[Region]:
    """Give a phrase for each visible object that has a name, for the streets, and for each class.

    Args:
        view: The picture.
        rng: Draws the words.
        smallest: Visible pixels that a region must have.
        classes: Whether to add the regions of whole classes.
    """
    found = []
    numbers, counts = np.unique(view.instances, return_counts=True)
    for number, pixels in zip(numbers.tolist(), counts.tolist(), strict=True):
        kind = view.kinds[number] if number else STREET
        if pixels >= smallest and _names(kind):
            mask = view.instances == number
            found.append(Region(kind, KIND_WORDS[kind].label, _phrase(kind, view, mask, rng), mask))
    for label, names in enumerate(CLASS_WORDS):
        mask = view.label == label
        if classes and names and mask.sum() >= smallest:
            found.append(Region("", label, str(rng.choice(names)), mask))
    return found


def colour_name(rgb: UInt8[np.ndarray, "pixel 3"]) -> str:
    """Name the mean colour of pixels as it appears; empty where no simple word fits."""
    red, green, blue = (float(x) for x in rgb.astype(np.float32).mean(axis=0))
    high, low = max(red, green, blue), min(red, green, blue)
    if high < 70:
        return "dark"
    if high - low < 0.16 * high:
        return "white" if low > 175 else "grey" if low > 80 else "dark"
    if red == high and green < 0.5 * (red + blue) + 0.12 * red:
        return "red" if low < 0.72 * high else "brown"
    if blue == high:
        return "blue"
    return "green" if green == high else ""


def _names(kind: str) -> tuple[str, ...]:
    words = KIND_WORDS.get(kind)
    return words.countable + words.mass if words else ()


def _class_names(label: int) -> tuple[str, ...]:
    return CLASS_WORDS[label]


def _largest_class(view: View) -> int:
    named = [label for label in range(len(CLASSES)) if _class_names(label)]
    return max(named, key=lambda label: int((view.label == label).sum()))


def _visible(view: View, smallest: float) -> dict[str, dict[int, int]]:
    """Visible pixels of each instance large enough, by kind; kinds without a name are left out."""
    numbers, counts = np.unique(view.instances, return_counts=True)
    found: dict[str, dict[int, int]] = {}
    for number, pixels in zip(numbers.tolist(), counts.tolist(), strict=True):
        kind = view.kinds[number] if number else STREET
        if pixels >= smallest * view.label.size and _names(kind):
            found.setdefault(kind, {})[number] = pixels
    return found


def _neighbours(
    view: View, members: dict[str, dict[int, int]], rng: np.random.Generator
) -> tuple[str, str] | None:
    """Draw two visible kinds of which one touches the other."""
    kind_of = {number: kind for kind, found in members.items() for number in found}
    field = view.instances
    sides = [(field[:, 1:], field[:, :-1]), (field[1:], field[:-1])]
    touching = np.concatenate([np.stack([a[a != b], b[a != b]], axis=1) for a, b in sides])
    pairs, times = np.unique(np.sort(touching, axis=1), axis=0, return_counts=True)
    fit = [
        (kind_of[a], kind_of[b])
        for (a, b), border in zip(pairs.tolist(), times.tolist(), strict=True)
        if border >= 4 and a in kind_of and b in kind_of and kind_of[a] != kind_of[b]
    ]
    if not fit:
        return None
    first, second = fit[int(rng.integers(len(fit)))]
    return (second, first) if rng.random() < 0.5 else (first, second)


def _phrase(
    kind: str, view: View, mask: Bool[np.ndarray, "rows cols"], rng: np.random.Generator
) -> str:
    """A phrase for one object: sometimes with its size, sometimes with its colour."""
    phrase = str(rng.choice(_names(kind)))
    if phrase not in KIND_WORDS[kind].countable:  # nobody says small grass
        return phrase
    if kind in SOME_COLOUR and rng.random() < 0.3:
        colour = colour_name(view.rgb[mask])
        phrase = f"{colour} {phrase}" if colour else phrase
    if kind in SMALL_LARGE and rng.random() < 0.2 and not _cut(mask):
        small, large = SMALL_LARGE[kind]
        area = float(mask.sum()) * view.gsd**2
        size = "small" if area < small else "large" if area > large else ""
        phrase = f"{size} {phrase}" if size else phrase
    return phrase


def _cut(mask: Bool[np.ndarray, "rows cols"]) -> bool:
    """Whether a region touches the picture's edge, so that its true size is unknown."""
    return bool(mask[0].any() or mask[-1].any() or mask[:, 0].any() or mask[:, -1].any())


def _one(kind: str, rng: np.random.Generator) -> str:
    words = KIND_WORDS[kind]
    if words.mass and rng.random() < 0.3:
        return str(rng.choice(words.mass))
    name = str(rng.choice(words.countable))
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


def _counted(kind: str, count: int, rng: np.random.Generator) -> str:
    """Say how many of a kind there are; streets and pavements count as one."""
    if count == 1 or kind == STREET:
        return _one(kind, rng)
    words = KIND_WORDS[kind]
    if words.mass and rng.random() < 0.2:
        return str(rng.choice(words.mass))
    number = NUMBERS[count] if count < len(NUMBERS) else "many"
    if 2 < count < len(NUMBERS) and rng.random() < 0.3:
        number = "several"
    return f"{number} {plural_of(str(rng.choice(words.countable)))}"


def _joined(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
