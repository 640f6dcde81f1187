"""Captions of the world: what a picture shows, said in words, of the whole and of regions.

Nothing is guessed. A caption is composed of what the world knows to be in the picture: objects with their kinds and
areas, what lies beside what, the season. Only colours are read from the picture itself, since a caption speaks of what is
seen. Each kind of thing can be said in several ways. One list per kind is for training, another is kept for tests: whoever
trains with these captions has never seen the second, so it measures whether words are understood or learnt by heart.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int, UInt8

from mfnet_lite.world.config import CLASSES
from mfnet_lite.world.scene import Scene

__all__ = [
    "CLASS_WORDS",
    "HELD_OUT_CLASS_NAMES",
    "HELD_OUT_KINDS",
    "KIND_WORDS",
    "Region",
    "View",
    "Words",
    "class_phrases",
    "describe",
    "describe_regions",
    "view_of",
]


class Words(NamedTuple):
    """How a kind of thing can be called.

    Attributes:
        label: Its class, an index into :data:`~mfnet_lite.world.CLASSES`.
        countable: Names of one such thing, for training.
        mass: Names without a number (grass, asphalt), for training.
        held_out: Names that no caption uses, for tests.
    """

    label: int
    countable: tuple[str, ...]
    mass: tuple[str, ...]
    held_out: tuple[str, ...]


STREET = "street"
"""What is called so: the ground without an instance, streets and pavements."""

KIND_WORDS: dict[str, Words] = {
    STREET: Words(
        0,
        ("street", "road", "asphalt road", "lane", "residential street"),
        ("asphalt", "road surface"),
        ("highway", "avenue", "tarmac", "roadway"),
    ),
    "yard": Words(
        0,
        ("yard", "paved yard", "courtyard", "parking lot"),
        ("concrete", "paving"),
        ("plaza", "car park", "forecourt"),
    ),
    "drive": Words(0, ("drive", "driveway", "paved drive"), ("paving stones",), ("entrance way",)),
    "terrace": Words(0, ("terrace", "stone terrace"), ("stone slabs",), ("paved deck", "porch")),
    "pad": Words(0, ("concrete slab", "paved square"), ("concrete paving",), ("foundation",)),
    "path": Words(0, (), (), ("path", "gravel path", "trail", "walkway")),
    "house": Words(
        1,
        ("house", "roof", "rooftop", "cottage", "family house", "house roof"),
        (),
        ("home", "dwelling", "villa", "residence"),
    ),
    "row house": Words(1, ("row house", "town house", "terraced house"), (), ("townhome",)),
    "hall": Words(
        1, ("hall", "warehouse", "industrial hall", "store"), (), ("factory", "depot", "workshop")
    ),
    "garage": Words(1, ("garage", "flat garage"), (), ("outhouse",)),
    "shed": Words(1, ("shed", "garden shed", "hut"), (), ("cabin", "barn")),
    "wing": Words(1, ("annex", "house wing", "extension"), (), ("side house",)),
    "lawn": Words(
        2,
        ("lawn", "green lawn", "garden"),
        ("grass", "mown grass", "garden grass"),
        ("turf", "backyard"),
    ),
    "meadow": Words(
        2,
        ("meadow", "park meadow"),
        ("rough grass", "tall grass"),
        ("pasture", "grassland", "field"),
    ),
    "verge": Words(2, ("grass verge", "grass strip"), ("roadside grass",), ("green margin",)),
    "bed": Words(
        2, ("garden bed", "vegetable bed", "kitchen garden"), ("crops",), ("vegetable patch",)
    ),
    "shrub": Words(2, ("shrub", "bush", "low bush", "green shrub"), (), ("brush", "undergrowth")),
    "hedge": Words(2, (), (), ("hedge", "hedgerow")),
    "crown": Words(
        3,
        ("tree", "tree crown", "treetop", "leafy tree", "tall tree"),
        ("tree canopy", "foliage"),
        ("oak", "spruce", "forest", "woods", "grove"),
    ),
    "car": Words(
        4,
        ("car", "parked car", "automobile", "passenger car"),
        (),
        ("taxi", "van", "motor vehicle", "truck"),
    ),
    "container": Words(
        5, ("container", "shipping container", "steel container"), (), ("freight box", "cargo box")
    ),
    "tank": Words(5, ("tank", "storage tank", "round tank"), (), ("reservoir",)),
    "construction site": Words(
        5,
        ("construction site", "excavation"),
        ("bare soil", "bare ground", "sand", "soil"),
        ("dirt", "mud", "earth"),
    ),
    "pool": Words(5, ("swimming pool", "pool", "blue pool"), (), ("bathing pool", "basin")),
    "pond": Words(5, ("pond", "park pond"), ("water", "dark water"), ("lake", "lagoon")),
}
"""All kinds that have names; the rim of a pool has none."""

HELD_OUT_KINDS = tuple(kind for kind, w in KIND_WORDS.items() if not w.countable + w.mass)
"""Kinds that no caption names: hedges and paths."""

CLASS_WORDS: tuple[tuple[str, ...], ...] = (
    ("paved ground", "asphalt and concrete", "streets", "roads", "paved surface", "hard ground"),
    ("houses", "roofs", "rooftops", "houses and halls"),
    ("grass", "lawns", "grass and shrubs", "low plants", "gardens"),
    ("trees", "tree crowns", "treetops", "tall trees"),
    ("cars", "parked cars"),
    (),
)
"""Names of whole classes, for training; what is clutter has only the names of its kinds."""

HELD_OUT_CLASS_NAMES: tuple[tuple[str, ...], ...] = (
    ("impervious surface", "pavement"),
    ("building", "buildings"),
    ("low vegetation", "vegetation"),
    ("woodland", "forest"),
    ("vehicle", "vehicles"),
    ("clutter", "debris"),
)
"""Names of classes that no caption uses, for tests; none of their words occurs in a caption, but "surface" and "low"."""

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

    Attributes:
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

    Attributes:
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


def class_phrases(held_out: bool = False) -> list[list[str]]:
    """Phrases of every class, to compare pixels with.

    Args:
        held_out: Those that no caption uses, instead of those that captions use.

    Returns:
        One list per class, in the order of :data:`~mfnet_lite.world.CLASSES`.
    """
    found: list[list[str]] = [[] if held_out else list(names) for names in CLASS_WORDS]
    for words in KIND_WORDS.values():
        found[words.label] += words.held_out if held_out else words.countable + words.mass
    return found


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


def plural(phrase: str) -> str:
    """Return the plural of a noun, or of a phrase that ends with one.

    Example:
        >>> plural("low bush"), plural("parked car"), plural("cherry")
        ('low bushes', 'parked cars', 'cherries')
    """
    if phrase.endswith(("s", "x", "sh", "ch")):
        return phrase + "es"
    if phrase.endswith("y") and phrase[-2] not in "aeiou":
        return phrase[:-1] + "ies"
    return phrase + "s"


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
    return f"{number} {plural(str(rng.choice(words.countable)))}"


def _joined(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
