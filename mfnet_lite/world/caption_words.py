"""What things of the world are called: names for captions, and names held out for tests.

Each kind of thing can be said in several ways. One list per kind is for training, another is kept for tests: whoever
trains with captions of the world has never seen the second, so it measures whether words are understood or learnt by
heart.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = [
    "CLASS_WORDS",
    "HELD_OUT_CLASS_NAMES",
    "HELD_OUT_KINDS",
    "KIND_WORDS",
    "STREET",
    "Words",
    "class_phrases",
]


class Words(NamedTuple):
    """How a kind of thing can be called.

    Args:
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
"""Names of classes that no caption uses, for tests; of their words captions use "surface" and "low" alone."""


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
