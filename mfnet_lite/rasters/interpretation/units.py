"""Units of length that elevation files and ``dataset.json`` use."""

from __future__ import annotations

import re

US_SURVEY_FOOT = 1200 / 3937  # metres, by definition

_METRES: dict[str, tuple[float, tuple[str, ...]]] = {
    "m": (1.0, ("m", "metre", "metres", "meter", "meters", "mtr")),
    "dm": (0.1, ("dm", "decimetre", "decimetres", "decimeter", "decimeters")),
    "cm": (0.01, ("cm", "centimetre", "centimetres", "centimeter", "centimeters")),
    "mm": (0.001, ("mm", "millimetre", "millimetres", "millimeter", "millimeters")),
    "km": (1000.0, ("km", "kilometre", "kilometres", "kilometer", "kilometers")),
    "ft": (0.3048, ("ft", "foot", "feet", "ift", "internationalfoot", "internationalfeet")),
    "us-ft": (
        US_SURVEY_FOOT,
        ("usft", "ftus", "ussurveyfoot", "ussurveyfeet", "footus", "surveyfoot", "surveyfeet"),
    ),
}
KNOWN_UNITS = tuple(_METRES)
_BY_NAME = {name: factor for factor, names in _METRES.values() for name in names}


def metres_per_unit(unit: str) -> float | None:
    """How many metres a unit of length has.

    Args:
        unit: As files write it: ``m``, ``metre``, ``us-ft``, ``US survey foot`` …

    Returns:
        The factor; None if this is no unit of length.

    Example:
        >>> metres_per_unit("US survey foot") == metres_per_unit("ftUS") == 1200 / 3937
        True
        >>> metres_per_unit("kelvin") is None
        True
    """
    words = re.sub(r"\(.*?\)|\[.*?\]", "", unit.lower())
    plain = re.sub(r"[^a-z]", "", words)
    first = re.sub(r"[^a-z]", "", (words.split() or [""])[0])
    return _BY_NAME.get(plain, _BY_NAME.get(first if first in ("m", "metre", "metres") else plain))


def says_nothing(unit: str | None) -> bool:
    """Whether a unit tag is a filler that some programs write where they know none.

    Args:
        unit: The tag, or None.

    Example:
        >>> says_nothing("unknown"), says_nothing("1"), says_nothing("ft")
        (True, True, False)
    """
    return (unit or "").strip().lower() in ("", "unknown", "none", "n/a", "1", "-", "unitless")
