"""Read what a language model answers: objects with boxes, and everything that could not be read.

The grammar is that of EarthGPT's data::

    There are <p>13 ships</p>[0.10,0.20,0.30,0.40;…] and <p>1 harbor</p>[…].      detection
    [0.10,0.20,0.30,0.40]                                                        one box, or one oriented box
    dense residential                                                            a phrase

A model of any size sometimes writes something else. Nothing of that is dropped in silence, and nothing is mended:
an entry of a bracket is a box with four or eight numbers from 0 to 1 and an area, or it is a fault with a reason. A
cut-off bracket keeps the entries that a ``;`` closed; the last one is a fault even with four numbers, since the
last number may lack digits.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from mfnet_lite.language.boxes import Numbers, degenerate
from mfnet_lite.language.nouns import read_count
from mfnet_lite.utils.counted_nouns import counted

__all__ = ["Answer", "Expected", "Fault", "FoundObject", "parse_answer"]

Expected = Literal["phrase", "box", "oriented box", "boxes", "oriented boxes"]
"""What a question asks for."""

_NUMBER = re.compile(r"[0-9]+(\.[0-9]*)?|\.[0-9]+")
_SIGNED = re.compile(r"[+-]?(?:[0-9]+(\.[0-9]*)?|\.[0-9]+)")
_MARK = re.compile(r"<p>|</p>|\[|\]")
_TAGGED = re.compile(r"<p>([^<>\[\]]*)</p>\s*$")
_NONE = re.compile(r"\b(no|none|not|nothing|zero|0)\b", re.IGNORECASE)


@dataclass(frozen=True)
class FoundObject:
    """A box of an answer.

    Attributes:
        phrase: What is said to be there, without the count and as it stands; empty for a bare box.
        numbers: Four or eight coordinates, as they stand.
        start: Where its numbers begin in the text.
        end: Where they end.
    """

    phrase: str
    numbers: Numbers
    start: int
    end: int


@dataclass(frozen=True)
class Fault:
    """A part of an answer that could not be read, or contradicts another one.

    Attributes:
        kind: One word for counting: ``empty``, ``truncated``, ``number``, ``length``, ``range``, ``area``, ``count``,
            ``mark`` (a bracket or tag without its partner), ``missing`` or ``unasked``.
        text: The part.
        reason: A clause that says what is wrong.
    """

    kind: str
    text: str
    reason: str


@dataclass(frozen=True)
class Answer:
    """A parsed answer.

    Attributes:
        text: All of it.
        objects: The boxes that could be read.
        counts: Stated counts, by phrase, in order; a phrase that is said twice stands twice.
        phrase: The text without tags and brackets, with single spaces.
        faults: Everything else.
    """

    text: str
    objects: tuple[FoundObject, ...]
    counts: tuple[tuple[str, int], ...]
    phrase: str
    faults: tuple[Fault, ...]

    @property
    def malformed(self) -> bool:
        """Whether anything is wrong with it."""
        return bool(self.faults)


def parse_answer(text: str, expected: Expected | None = None) -> Answer:
    """Read an answer; never fails.

    Args:
        text: What the model wrote.
        expected: What was asked for; an answer of another kind is a fault then.

    Returns:
        What was found and what was not understood.

    Example:
        >>> answer = parse_answer("There are <p>2 ships</p>[0.10,0.20,0.30,0.40;0.5,0.5,0.6,1.7].")
        >>> [(found.phrase, found.numbers) for found in answer.objects]
        [('ships', (0.1, 0.2, 0.3, 0.4))]
        >>> [fault.kind for fault in answer.faults]
        ['range', 'count']
    """
    objects: list[FoundObject] = []
    counts: list[tuple[str, int]] = []
    faults: list[Fault] = []
    for start, end, closed in _brackets(text, faults):
        tagged = _TAGGED.search(text, 0, start)
        said = tagged[1].strip() if tagged else ""
        count, noun = read_count(said)
        found, wrong = _entries(text, start + 1, end, closed, noun, expected)
        objects += found
        faults += wrong
        if count is not None:
            counts.append((noun, count))
            if count != len(found):
                faults.append(
                    Fault(
                        "count",
                        said,
                        f"{count} announced, {counted(len(found), 'readable box')} given",
                    )
                )
    faults += _tags(text)
    stripped = re.sub(r"\[[^\]]*\]?|</?p>|\]", " ", text)
    phrase = " ".join(stripped.split())
    if not text.strip():
        faults.append(Fault("empty", text, "nothing was answered"))
    else:
        faults += _unlike(text, expected, objects, faults)
    return Answer(text, tuple(objects), tuple(counts), phrase, tuple(faults))


def _brackets(text: str, faults: list[Fault]) -> Iterator[tuple[int, int, bool]]:
    """Where each bracket opens and ends, and whether it is closed; stray marks become faults."""
    opened: int | None = None
    for mark in _MARK.finditer(text):
        if mark[0] == "[":
            if opened is not None:
                faults.append(
                    Fault("mark", text[opened : mark.start()], "a bracket opens inside a bracket")
                )
            opened = mark.start()
        elif mark[0] == "]":
            if opened is None:
                faults.append(Fault("mark", "]", "a bracket closes that never opened"))
            else:
                yield opened, mark.start(), True
            opened = None
        elif opened is not None:
            yield opened, mark.start(), False
            opened = None
    if opened is not None:
        yield opened, len(text), False


def _entries(
    text: str, start: int, end: int, closed: bool, phrase: str, expected: Expected | None
) -> tuple[list[FoundObject], list[Fault]]:
    """The boxes of one bracket, and what is wrong in it."""
    found: list[FoundObject] = []
    faults: list[Fault] = []
    parts = text[start:end].split(";")
    at = start
    for number, part in enumerate(parts):
        here, at = at, at + len(part) + 1
        last = number == len(parts) - 1
        if last and not closed:
            faults.append(Fault("truncated", part, "the bracket is not closed"))
            continue
        numbers, kind, reason = _read(part, expected)
        if kind:
            faults.append(Fault(kind, part, reason))
        else:
            found.append(FoundObject(phrase, numbers, here, here + len(part)))
    return found, faults


def _read(part: str, expected: Expected | None) -> tuple[Numbers, str, str]:
    """The numbers of an entry, or the kind of a fault and its reason."""
    words = [word.strip() for word in part.split(",")]
    if not all(_SIGNED.fullmatch(word) for word in words):
        wrong = next(word for word in words if not _SIGNED.fullmatch(word))
        return (), "number", f"{wrong!r} is no number"
    if len(words) not in (4, 8):
        return (), "length", f"{len(words)} numbers, a box has 4 or 8"
    wanted = 0 if expected in (None, "phrase") else 8 if "oriented" in str(expected) else 4
    if wanted and len(words) != wanted:
        return (), "length", f"{len(words)} numbers where {wanted} were asked for"
    if not all(_NUMBER.fullmatch(word) and float(word) <= 1 for word in words):
        return (), "range", "a coordinate lies outside 0 to 1"
    numbers = tuple(float(word) for word in words)
    wrong = degenerate(numbers)
    return (numbers, "area", f"the box {wrong}") if wrong else (numbers, "", "")


def _tags(text: str) -> list[Fault]:
    """Tags without a partner, and phrases without boxes."""
    faults: list[Fault] = []
    opened: int | None = None
    for mark in re.finditer(r"</?p>", text):
        if mark[0] == "<p>":
            if opened is not None:
                faults.append(Fault("mark", text[opened : mark.start()], "<p> is not closed"))
            opened = mark.start()
        elif opened is None:
            faults.append(Fault("mark", "</p>", "</p> closes nothing"))
        else:
            said = text[opened + 3 : mark.start()]
            opened = None
            count, _ = read_count(said)
            if count != 0 and not re.match(r"\s*\[", text[mark.end() :]):
                faults.append(Fault("missing", said, "a marked phrase without boxes"))
    if opened is not None:
        faults.append(Fault("truncated", text[opened:], "<p> is not closed"))
    return faults


def _unlike(
    text: str, expected: Expected | None, objects: list[FoundObject], faults: list[Fault]
) -> list[Fault]:
    """What an answer lacks or has too much of, compared with the question."""
    if expected == "phrase":
        return [Fault("unasked", text, "boxes where words were asked for")] if objects else []
    if expected in ("box", "oriented box"):
        if len(objects) > 1:
            return [Fault("unasked", text, f"{len(objects)} boxes where one was asked for")]
        if not objects and not faults:
            return [Fault("missing", text, "no box")]
    elif expected and not objects and not faults and not _NONE.search(text):
        return [Fault("missing", text, "neither boxes nor the word that there are none")]
    return []
