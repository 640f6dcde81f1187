"""What people say for the classes of data sets, whose names are often no words at all.

Nobody calls a street an impervious surface. A text encoder knows what a car park is and how near that is to a road;
of "impervious surfaces" or "clutter" it knows little. So a class is given by several everyday phrases.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from mfnet_lite.utils.lists_of_names import check_list_of_names, check_text

OTHER = ("other things", "background", "rubble", "objects")

CLASS_WORDS: Mapping[str, tuple[str, ...]] = {
    "impervious surface": ("road", "street", "car park", "paved yard", "asphalt", "concrete"),
    "building": ("building", "house", "roof", "garage"),
    "low vegetation": ("lawn", "grass", "meadow", "shrub", "garden"),
    "tree": ("tree", "tree crown"),
    "car": ("car", "parked car", "vehicle"),
    "clutter": OTHER,
    "background": OTHER,
    "unlabelled": OTHER,
    "ground": ("ground", "road", "grass"),
    "vegetation or other": ("trees", "shrub", "vegetation"),
    "built up area": ("houses", "town", "buildings"),
    "cropland": ("field", "crops", "farmland"),
    "agriculture": ("field", "crops", "farmland"),
    "barren": ("bare soil", "sand", "gravel"),
    "unused land": ("bare soil", "sand", "gravel"),
    "grassland": ("grass", "meadow", "lawn"),
    "wetland": ("marsh", "swamp"),
    "water": ("water", "river", "lake", "pond"),
    "forest": ("forest", "trees", "wood"),
    "road": ("road", "street"),
}
"""Class → phrases. Keys are singular, lower case, with spaces."""


def plain_name(name: str) -> str:
    """Write a class name as words.

    Args:
        name: As data sets write it.

    Raises:
        ValueError: If that is no text.

    Example:
        >>> plain_name("vegetation_or_other"), plain_name("Low-Vegetation"), plain_name("carStop")
        ('vegetation or other', 'low vegetation', 'car stop')
    """
    check_text("a class name", name, "solar_panel")
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    return " ".join(re.sub(r"[^\w\s]|_", " ", spaced).lower().split())


def words_of(name: str) -> tuple[str, ...]:
    """Say a class in everyday words.

    Args:
        name: As the data set writes it.

    Returns:
        Phrases of :data:`CLASS_WORDS` if the class is known there, else its name as words.

    Raises:
        ValueError: If the name is no text, or holds no letter or digit.

    Example:
        >>> words_of("impervious surfaces")[:2], words_of("solar_panel")
        (('road', 'street'), ('solar panel',))
    """
    plain = plain_name(name)
    if not plain:
        raise ValueError(f"the class name {name!r} holds no word; rename it in dataset.json")
    for key in (plain, plain.removesuffix("s")):
        if key in CLASS_WORDS:
            return CLASS_WORDS[key]
    return (plain,)


def phrases_of_classes(
    classes: Sequence[str] | Sequence[Sequence[str]], everyday: bool = False
) -> tuple[tuple[str, ...], ...]:
    """Return the phrases of each class.

    Args:
        classes: For each class its phrases, or its name.
        everyday: Whether a name stands for everyday words (:func:`words_of`); else it is the one phrase.

    Raises:
        ValueError: If ``classes`` is a string, a name or phrase is no text, or a name holds no word.

    Example:
        >>> phrases_of_classes(["roof", ("meadow", "lawn")])
        (('roof',), ('meadow', 'lawn'))
    """
    check_list_of_names("classes", classes)
    for each in classes:
        phrases = each if isinstance(each, list | tuple) else (each,)
        for phrase in phrases:
            check_text("a phrase of classes", phrase, "car park")
    return tuple(
        (words_of(each) if everyday else (each,)) if isinstance(each, str) else tuple(each)
        for each in classes
    )


def read_classes(text: str) -> dict[str, tuple[str, ...]]:
    """Read classes as a person types them: separated by commas, with ``|`` between ways of saying the same.

    Args:
        text: Such as ``"roof, meadow | lawn, parked car"``.

    Returns:
        The first phrase of each class → all its phrases, in order.

    Raises:
        ValueError: If that is no text, or a class is empty or occurs twice.

    Example:
        >>> read_classes("roof, meadow | lawn")
        {'roof': ('roof',), 'meadow': ('meadow', 'lawn')}
    """
    check_text("classes", text, "roof, meadow | lawn")
    found: dict[str, tuple[str, ...]] = {}
    for entry in text.split(","):
        phrases = tuple(" ".join(part.split()) for part in entry.split("|"))
        if not all(phrases):
            raise ValueError(
                f'the classes {text!r} hold an empty one; write them as "roof, meadow | lawn, parked car"'
            )
        if phrases[0] in found:
            raise ValueError(f"the class {phrases[0]!r} occurs twice in {text!r}; leave one out")
        found[phrases[0]] = phrases
    return found


def check_one_for_each(given: Sequence[str], classes: Sequence[str]) -> None:
    """Refuse words for another number of classes than a data set has.

    Args:
        given: The first phrase of each class.
        classes: Names of the data set's.

    Raises:
        ValueError: If their numbers differ, or a string is given for a list.
    """
    check_list_of_names("given", given)
    if len(given) != len(classes):
        raise ValueError(
            f"expected words for the {len(classes)} classes {', '.join(classes)}, in this order, got "
            f"{len(given)}: {', '.join(given)}"
        )
