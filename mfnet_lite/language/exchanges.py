"""One function per task: what is known of an image becomes a question with its answer.

Multi-turn: everything asked about one image goes into one :class:`~mfnet_lite.language.instructions.Dialogue`, so
that the image is encoded once and only the answers are predicted.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from mfnet_lite.language.boxes import DECIMALS, Numbers, Square, box_text, boxes_text
from mfnet_lite.language.instructions import Dialogue, Exchange, Sensor, Task
from mfnet_lite.language.paraphrases import wording
from mfnet_lite.utils.counted_nouns import counted, plural_of

__all__ = ["Asker", "ObjectBox", "converse", "detection_answer"]


@dataclass(frozen=True)
class ObjectBox:
    """An object of an image.

    Attributes:
        name: Its class as words, in the singular.
        box: Pixel edges: four numbers (x0, y0, x1, y1), or the corners of an oriented box as eight.
    """

    name: str
    box: Numbers


@dataclass(frozen=True)
class Asker:
    """Words questions about the images of one sensor.

    Attributes:
        sensor: What took the images.
        rng: Draws wordings.
        held_out: Whether to use the wordings kept for tests.
        decimals: Digits of coordinates.
    """

    sensor: Sensor
    rng: np.random.Generator
    held_out: bool = False
    decimals: int = DECIMALS

    def classification(self, class_name: str) -> Exchange:
        """Ask for the class of the scene.

        Args:
            class_name: As words.
        """
        return self._exchange("classification", class_name)

    def captioning(self, captions: Iterable[str]) -> list[Exchange]:
        """Ask for a caption as often as there are different ones.

        Args:
            captions: Reference captions; duplicates (but for case, spaces and the full stop) are left out.
        """
        unlike: dict[str, str] = {}
        for caption in captions:
            text = " ".join(caption.split())
            if text:
                unlike.setdefault(text.lower().rstrip(" ."), text)
        return [self._exchange("captioning", text) for text in unlike.values()]

    def vqa(self, question: str, answer: str) -> Exchange:
        """Ask a question of a data set.

        Args:
            question: As it stands there.
            answer: A word or short phrase.
        """
        asked = question.strip()
        return self._exchange("vqa", answer, question=asked if asked.endswith("?") else asked + "?")

    def detection(
        self, objects: Sequence[ObjectBox], square: Square, only: str | None = None
    ) -> Exchange:
        """Ask for all objects with horizontal boxes.

        Args:
            objects: All that are annotated, with horizontal boxes; of another class than ``only`` they are left out.
            square: Of the image.
            only: Ask for one class alone.

        Raises:
            ValueError: If a box cannot be written, see :meth:`~mfnet_lite.language.boxes.Square.place`.
        """
        return self._detection("detection", objects, square, only)

    def oriented_detection(
        self, objects: Sequence[ObjectBox], square: Square, only: str | None = None
    ) -> Exchange:
        """Ask for all objects with oriented boxes.

        Args:
            objects: As for :meth:`detection`, with oriented boxes.
            square: Of the image.
            only: Ask for one class alone.

        Raises:
            ValueError: If a box cannot be written.
        """
        return self._detection("oriented detection", objects, square, only)

    def grounding(self, phrase: str, box: Numbers, square: Square) -> Exchange:
        """Ask where something is.

        Args:
            phrase: What to look for, such as "the red car on the left".
            box: Where it is, pixel edges.
            square: Of the image.

        Raises:
            ValueError: If the box cannot be written.
        """
        placed = square.place(box, self.decimals).numbers
        return self._exchange("grounding", box_text(placed, self.decimals), thing=_inner(phrase))

    def region_captioning(self, box: Numbers, phrase: str, square: Square) -> Exchange:
        """Ask what is inside a box.

        Args:
            box: Where, pixel edges.
            phrase: What is there.
            square: Of the image.

        Raises:
            ValueError: If the box cannot be written.
        """
        placed = square.place(box, self.decimals).numbers
        return self._exchange("region captioning", phrase, box=box_text(placed, self.decimals))

    def _detection(
        self, task: Task, objects: Sequence[ObjectBox], square: Square, only: str | None
    ) -> Exchange:
        wanted = [found for found in objects if only in (None, found.name)]
        answer = detection_answer(wanted, square, self.decimals, only)
        return self._exchange(task, answer, thing=f"all {plural_of(only) if only else 'objects'}")

    def _exchange(
        self, task: Task, answer: str, thing: str = "", box: str = "", question: str = ""
    ) -> Exchange:
        asked = wording(
            task, self.sensor, self.rng,
            held_out=self.held_out, thing=thing, box=box, question=question,
        )  # fmt: skip
        answer = answer.strip()
        if not answer:
            raise ValueError(f"the answer to {asked!r} is empty: expected words; leave it out")
        return Exchange(task, asked, answer)


def detection_answer(
    objects: Sequence[ObjectBox],
    square: Square,
    decimals: int = DECIMALS,
    only: str | None = None,
) -> str:
    """Write all objects of an image with their boxes, class by class.

    Args:
        objects: The objects.
        square: Of the image.
        decimals: Digits of coordinates.
        only: The class that was asked for, if only one.

    Raises:
        ValueError: If a box cannot be written.

    Example:
        >>> ships = [ObjectBox("ship", (0.0, 0.0, 50.0, 50.0)), ObjectBox("ship", (50.0, 0.0, 100.0, 50.0))]
        >>> detection_answer(ships, Square(100, 100))
        'There are <p>2 ships</p>[0.00,0.00,0.50,0.50;0.50,0.00,1.00,0.50].'
        >>> detection_answer([], Square(100, 100))
        'There are no objects.'
    """
    if not objects:
        return f"There are no {plural_of(only) if only else 'objects'}."
    by_class: dict[str, list[Numbers]] = {}
    for found in objects:
        numbers = square.place(found.box, decimals).numbers
        by_class.setdefault(found.name, []).append(numbers)
    parts = [
        # Sorted, since an order that nothing in the image explains cannot be learnt.
        f"<p>{counted(len(boxes), name)}</p>{boxes_text(sorted(boxes, key=_reading), decimals)}"
        for name, boxes in sorted(by_class.items())
    ]
    listed = parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
    verb = "is" if len(objects) == 1 else "are"
    return f"There {verb} {listed}."


def converse(
    image: str,
    sensor: Sensor,
    exchanges: Iterable[Exchange],
    size: tuple[int, int] | None = None,
) -> Dialogue:
    """Put all that is asked about one image into one dialogue.

    Args:
        image: Its file, relative to the file of the dialogues.
        sensor: What took it.
        exchanges: In their order.
        size: Width and height in pixels.

    Raises:
        ValueError: If nothing is asked.
    """
    asked = tuple(exchanges)
    if not asked:
        raise ValueError(f"{image} has no question: expected at least one; leave the image out")
    return Dialogue(image, sensor, asked, size)


def _reading(numbers: Sequence[float]) -> tuple[float, float, Sequence[float]]:
    """From top to bottom, then from left to right."""
    return min(numbers[1::2]), min(numbers[::2]), numbers


def _inner(phrase: str) -> str:
    """A phrase as it stands inside a sentence."""
    phrase = phrase.strip().rstrip(".")
    first = phrase.split(" ", 1)[0]
    return (
        phrase[:1].lower() + phrase[1:] if first in ("The", "A", "An", "This", "That") else phrase
    )
