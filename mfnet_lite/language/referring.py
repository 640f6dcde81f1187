"""Phrases that mean exactly one object of a picture, and phrases that say what lies in a box.

``the pond`` where there is one, ``the largest tree`` or ``the leftmost car`` where there are several and that one leads
clearly. Nothing depends on colours, so the phrases hold for radar and thermal images, too.
"""

from __future__ import annotations

from collections.abc import Callable

from mfnet_lite.language.visible_objects import VisibleObject, VisibleObjects

__all__ = ["referring_phrases", "region_phrase"]

LARGER = 1.25
"""How many times the pixels of the next one the largest has at least."""
AHEAD = 0.05
"""How far the middle of the leftmost lies before that of the next one, as a share of the side."""

_ALONG: dict[str, Callable[[VisibleObject], float]] = {
    "leftmost": lambda item: item.middle[0],
    "rightmost": lambda item: -item.middle[0],
    "uppermost": lambda item: item.middle[1],
    "lowermost": lambda item: -item.middle[1],
}


def referring_phrases(seen: VisibleObjects) -> list[tuple[str, VisibleObject]]:
    """Find all phrases that mean one object beyond doubt.

    Args:
        seen: The objects.

    Returns:
        Phrases with their objects. Nouns of which something is unclear are left out.
    """
    found: list[tuple[str, VisibleObject]] = []
    for noun in sorted({item.noun for item in seen.objects} - seen.unclear):
        items = seen.of(noun)
        if len(items) == 1:
            found.append((f"the {noun}", items[0]))
            continue
        by_size = sorted(items, key=lambda item: -item.pixels)
        if by_size[0].pixels >= LARGER * by_size[1].pixels:
            found.append((f"the largest {noun}", by_size[0]))
        for word, along in _ALONG.items():
            first, second = sorted(items, key=along)[:2]
            if along(second) - along(first) >= AHEAD * seen.square.side:
                found.append((f"the {word} {noun}", first))
    return found


def region_phrase(item: VisibleObject, seen: VisibleObjects) -> str:
    """Say what an object is and in which ninth of the picture its middle lies.

    Args:
        item: The object.
        seen: All objects of the picture.

    Example:
        >>> from mfnet_lite.language.boxes import Square
        >>> car = VisibleObject(1, "car", (0.0, 0.0, 9.0, 9.0), (), 50)
        >>> region_phrase(car, VisibleObjects((car,), frozenset(), Square(90, 90)))
        'a car in the upper left'
    """
    x, y = item.middle
    across = ("left", "", "right")[min(2, int(3 * x / seen.square.width))]
    down = ("upper", "", "lower")[min(2, int(3 * y / seen.square.height))]
    if not across and not down:
        place = "in the centre"
    elif across and down:
        place = f"in the {down} {across}"
    elif across:
        place = f"on the {across}"
    else:
        place = f"in the {down} middle"
    return f"a {item.noun} {place}"
