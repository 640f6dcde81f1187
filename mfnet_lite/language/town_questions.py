"""Questions about a picture of the world with exact answers: presence, count, comparison, relation, land cover.

A question is asked only where its answer is beyond doubt: nothing of the noun is too small to count, positions do
not overlap, shares do not lie on a border of the rounding.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from mfnet_lite.language.visible_objects import NOUNS, VisibleObjects
from mfnet_lite.utils.counted_nouns import plural_of
from mfnet_lite.world.captions import View
from mfnet_lite.world.config import CLASSES

__all__ = ["COVERS", "FORMS", "HELD_OUT_FORMS", "TownQuestion", "town_questions"]

COVERS = ("paved ground", "buildings", "grass and low plants", "trees", "cars", "other things")
"""What the classes of the label are called, in their order."""

FORMS: Mapping[str, tuple[str, ...]] = {
    "presence": ("Is there a {one}?", "Can a {one} be seen?", "Does it show a {one}?"),
    "count": (
        "How many {many} are there?",
        "What is the number of {many}?",
        "Count the {many}: how many?",
    ),
    "comparison": (
        "Are there more {many} than {others}?",
        "Do the {many} outnumber the {others}?",
    ),
    "across": (
        "Is the {one} left or right of the {other}?",
        "On which side of the {other} is the {one}, left or right?",
    ),
    "down": (
        "Is the {one} above or below the {other}?",
        "Does the {one} lie above or below the {other}?",
    ),
    "cover": (
        "Which land cover takes up most of it?",
        "What covers the largest part of the ground?",
    ),
    "share": (
        "How much of it is covered by {cover}, to the nearest ten percent?",
        "What share is {cover}, rounded to ten percent?",
    ),
}
"""Wordings for training, by kind of question."""

HELD_OUT_FORMS: Mapping[str, tuple[str, ...]] = {
    "presence": ("Would you find a {one} here?", "Is at least one {one} visible?"),
    "count": ("Tell the quantity of {many}?", "Of {many}, how many do you see?"),
    "comparison": ("Is the number of {many} greater than that of {others}?",),
    "across": ("Seen from the {other}, is the {one} to the left or to the right?",),
    "down": ("Seen from the {other}, is the {one} further up or further down, above or below?",),
    "cover": ("What dominates the surface?",),
    "share": ("Estimate the portion of {cover} in steps of ten percent: how much?",),
}
"""Wordings that no training question uses."""

NEAR_BORDER = 0.01
"""Shares that lie so near to the middle between two tens are not asked for."""
AHEAD = 0.05
"""By how much the largest cover must lead, as a share of the picture."""


@dataclass(frozen=True)
class TownQuestion:
    """A question with its answer.

    Attributes:
        kind: A key of :data:`FORMS`.
        words: What is filled into a wording.
        answer: One word or a short phrase.
    """

    kind: str
    words: tuple[tuple[str, str], ...]
    answer: str

    def text(self, rng: np.random.Generator, held_out: bool = False) -> str:
        """Ask it in words drawn at random.

        Args:
            rng: Draws the wording.
            held_out: Whether to draw from those kept for tests.
        """
        forms = (HELD_OUT_FORMS if held_out else FORMS)[self.kind]
        return str(rng.choice(forms)).format(**dict(self.words))


def town_questions(view: View, seen: VisibleObjects) -> list[TownQuestion]:
    """Find all questions that the picture answers beyond doubt.

    Args:
        view: The picture.
        seen: Its objects, from :func:`~mfnet_lite.language.visible_objects.visible_objects`.

    Returns:
        The questions, by kind. Whoever trains draws some: most kinds have more of one answer than of another.
    """
    return [*_of_nouns(seen), *_relations(seen), *_covers(view)]


def _of_nouns(seen: VisibleObjects) -> Iterator[TownQuestion]:
    counts = {
        noun: count
        for noun in dict.fromkeys(NOUNS.values())
        if (count := seen.count(noun)) is not None
    }
    for noun, count in counts.items():
        yield TownQuestion("presence", (("one", noun),), "yes" if count else "no")
    for noun, count in counts.items():
        if count:
            yield TownQuestion("count", (("many", plural_of(noun)),), str(count))
    for one, other in combinations(counts, 2):
        if counts[one] != counts[other]:
            for a, b in ((one, other), (other, one)):
                words = (("many", plural_of(a)), ("others", plural_of(b)))
                more = "yes" if counts[a] > counts[b] else "no"
                yield TownQuestion("comparison", words, more)


def _relations(seen: VisibleObjects) -> Iterator[TownQuestion]:
    alone = [item for item in seen.objects if seen.count(item.noun) == 1]
    for a in alone:
        for b in alone:
            words = (("one", a.noun), ("other", b.noun))
            if a.box[2] <= b.box[0]:
                yield TownQuestion("across", words, "left")
            elif b.box[2] <= a.box[0]:
                yield TownQuestion("across", words, "right")
            if a.box[3] <= b.box[1]:
                yield TownQuestion("down", words, "above")
            elif b.box[3] <= a.box[1]:
                yield TownQuestion("down", words, "below")


def _covers(view: View) -> Iterator[TownQuestion]:
    counts = np.bincount(view.label.ravel(), minlength=len(CLASSES))[: len(CLASSES)]
    shares = counts / view.label.size
    second, first = np.sort(shares)[-2:]
    if first - second >= AHEAD:
        yield TownQuestion("cover", (), COVERS[int(shares.argmax())])
    for name, share in zip(COVERS[:-1], shares.tolist(), strict=False):
        tens = 10 * share
        if abs(tens - np.floor(tens) - 0.5) >= 10 * NEAR_BORDER:
            answer = f"{10 * round(tens)} percent"
            yield TownQuestion("share", (("cover", name),), answer)
