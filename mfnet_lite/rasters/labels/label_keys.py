"""The keys of ``dataset.json`` about labels, from JSON to numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from mfnet_lite.rasters.raster import Colour


def stated_palette(stated: Mapping[str, Any]) -> tuple[Colour, ...] | None:
    """Colours of the classes as stated.

    Args:
        stated: All of ``dataset.json``.

    Returns:
        A colour per class, or None.
    """
    colours = stated.get("palette")
    if not colours:
        return None
    return tuple((int(c[0]), int(c[1]), int(c[2])) for c in colours)


def stated_values(
    stated: Mapping[str, Any], names: Sequence[str], ignore: int, file: Path
) -> dict[int, int | None]:
    """File value → class index as stated, in either of its two forms.

    Args:
        stated: All of ``dataset.json``: ``label_values`` is ``{"255": 1}`` (or a class name, or
            ``"ignore"``), or the other way round ``{"building": 255}``.
        names: Names of the classes; empty if none are stated.
        ignore: Number that says the same as ``"ignore"``, where it is the index of no class.
        file: ``dataset.json``, for messages.

    Returns:
        The mapping, with None for values that mean "not labelled"; empty if nothing is stated.

    Raises:
        ValueError: A class that does not exist.
    """
    meanings: Mapping[str, Any] = stated.get("label_values") or {}
    by_value = all(is_whole(key) for key in meanings)
    pairs = meanings.items() if by_value else ((value, name) for name, value in meanings.items())
    found: dict[int, int | None] = {}
    for value, meant in pairs:
        if isinstance(meant, str) and not (by_value and is_whole(meant)):
            if meant != "ignore" and meant not in names:
                have = ", ".join(names) or "none"
                raise ValueError(
                    f'{file} has {meant!r} in label_values: expected "ignore" or one of the classes, '
                    f"{have}; correct it"
                )
            index = None if meant == "ignore" else list(names).index(meant)
        else:
            index = int(float(meant))
            if index != ignore and names and not 0 <= index < len(names):
                raise ValueError(
                    f"{file} has the class {index} in label_values: expected 0 to {len(names) - 1} for "
                    f"{len(names)} classes; correct it"
                )
        found[int(float(value))] = index
    numbers = [index for index in found.values() if index is not None and index != ignore]
    count = len(names) or max(numbers, default=0) + 1
    return {v: None if i == ignore and ignore >= count else i for v, i in found.items()}


def is_whole(text: str) -> bool:
    """Whether a text is a whole number such as ``255``, ``-1`` or ``1.0``.

    Args:
        text: Such as a key of a JSON object.

    Returns:
        True if it is.
    """
    try:
        return float(text).is_integer()
    except ValueError:
        return False


def stated_unknown(
    stated: Mapping[str, Any], names: Sequence[str], ignore: int, file: Path
) -> int | Literal["nearest"] | None:
    """What unknown values become, as stated.

    Args:
        stated: All of ``dataset.json``.
        names: Names of the classes.
        ignore: Index for ``"ignore"``.
        file: ``dataset.json``, for messages.

    Returns:
        ``"nearest"``, an index, or None if nothing is stated.

    Raises:
        ValueError: Another word.
    """
    word = stated.get("label_unknown")
    if word is None:
        return None
    if word == "nearest":
        return "nearest"
    if word != "ignore" and word not in names:
        raise ValueError(
            f"{file} has {word!r} for label_unknown: expected nearest, ignore or one of the classes, "
            f"{', '.join(names)}; correct it"
        )
    return ignore if word == "ignore" else list(names).index(word)
