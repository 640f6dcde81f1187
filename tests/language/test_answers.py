"""Answers are read, and what cannot be read is told: nothing raises, nothing is invented."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mfnet_lite.language.answers import Answer, parse_answer
from mfnet_lite.language.boxes import Square
from mfnet_lite.language.exchanges import ObjectBox, detection_answer

GOOD = "There are <p>2 ships</p>[0.10,0.20,0.30,0.40;0.50,0.50,0.60,0.70] and <p>1 car</p>[0.00,0.00,1.00,0.50]."
OBB = "[0.10,0.10,0.30,0.10,0.30,0.30,0.10,0.30]"


def kinds(answer: Answer) -> list[str]:
    return [fault.kind for fault in answer.faults]


def test_a_good_answer() -> None:
    answer = parse_answer(GOOD, "boxes")
    assert [(f.phrase, f.numbers) for f in answer.objects] == [
        ("ships", (0.1, 0.2, 0.3, 0.4)),
        ("ships", (0.5, 0.5, 0.6, 0.7)),
        ("car", (0.0, 0.0, 1.0, 0.5)),
    ]
    assert answer.counts == (("ships", 2), ("car", 1))
    assert not answer.malformed
    assert [GOOD[f.start : f.end] for f in answer.objects][2] == "0.00,0.00,1.00,0.50"


def test_single_boxes_and_phrases() -> None:
    assert parse_answer("[0.1,0.2,0.3,0.4]", "box").objects[0].phrase == ""
    assert parse_answer(OBB, "oriented box").objects[0].numbers[:2] == (0.1, 0.1)
    answer = parse_answer("  dense   residential ", "phrase")
    assert answer.phrase == "dense residential"
    assert not answer.malformed
    assert not parse_answer("There are no ships.", "boxes").malformed
    # one phrase per object, as some files of MMRS have it
    each = parse_answer(
        "There are <p>aircrafts</p>[0.1,0.1,0.2,0.2], <p>aircrafts</p>[0.3,0.3,0.4,0.4]."
    )
    assert [f.phrase for f in each.objects] == ["aircrafts", "aircrafts"]
    assert each.counts == ()
    assert not each.malformed


@pytest.mark.parametrize(
    ("text", "expected", "boxes", "faults"),
    [
        ("There are <p>13 ships</p>[0.1,0.2,0.3,0.4].", "boxes", 1, ["count"]),
        ("<p>1 ship</p>[0.1,0.2,0.3,0.4;0.5,0.5,0.6", "boxes", 1, ["truncated"]),
        ("<p>2 ships</p>[0.1,0.2,0.3,0.4;0.5,0.5,0.6,0.7", "boxes", 1, ["truncated", "count"]),
        ("<p>1 ship</p>[0.1,0.2,0.3,1.4]", "boxes", 0, ["range", "count"]),
        ("[-0.1,0.2,0.3,0.4]", "box", 0, ["range"]),
        ("[0.1,0.2,0.3]", "box", 0, ["length"]),
        ("[0.1,0.2,0.3,0.4,0.5]", "box", 0, ["length"]),
        (OBB, "box", 0, ["length"]),
        ("[0.1,0.2,0.3,0.4]", "oriented boxes", 0, ["length"]),
        ("[0.1,0.2,0.1,0.4]", "box", 0, ["area"]),
        ("[0.3,0.2,0.1,0.4]", "box", 0, ["area"]),
        ("[0.1,0.1,0.3,0.3,0.3,0.1,0.1,0.3]", "oriented box", 0, ["area"]),
        ("[0.1,x,0.3,0.4]", "box", 0, ["number"]),
        ("[nan,0.2,inf,1e-1]", "box", 0, ["number"]),
        ("[0.1,٢,0.3,0.4]", "box", 0, ["number"]),
        ("[]", "box", 0, ["number"]),
        ("[[0.1,0.2,0.3,0.4]]", "box", 1, ["mark", "mark"]),
        ("0.1,0.2,0.3,0.4]", "box", 0, ["mark"]),
        ("<p>2 ships", "boxes", 0, ["truncated"]),
        ("<p>2 ships</p>", "boxes", 0, ["missing"]),
        ("ships</p>[0.1,0.2,0.3,0.4]", "boxes", 1, ["mark"]),
        ("[0.1,0.2,0.3,0.4][0.5,0.5,0.6,0.6]", "box", 2, ["unasked"]),
        ("[0.1,0.2,0.3,0.4]", "phrase", 1, ["unasked"]),
        ("a ship", "box", 0, ["missing"]),
        ("ships", "boxes", 0, ["missing"]),
        ("", None, 0, ["empty"]),
        ("  \n", "phrase", 0, ["empty"]),
    ],
)
def test_faults(text: str, expected: str, boxes: int, faults: list[str]) -> None:
    answer = parse_answer(text, expected)  # type: ignore[arg-type]
    assert len(answer.objects) == boxes
    assert kinds(answer) == faults


def check_nothing_is_invented(answer: Answer) -> None:
    for found in answer.objects:
        words = answer.text[found.start : found.end].split(",")
        assert tuple(float(word) for word in words) == found.numbers
        assert all(0 <= number <= 1 for number in found.numbers)
        assert found.phrase in answer.text
        assert answer.text[found.start - 1] in "[;"
        assert answer.text[found.end] in ";]"


@given(st.text(alphabet="<p>/[];,.0123456789 shipsno\n-+e٣", max_size=80))
def test_any_text(text: str) -> None:
    for expected in (None, "phrase", "box", "boxes", "oriented box", "oriented boxes"):
        check_nothing_is_invented(parse_answer(text, expected))  # type: ignore[arg-type]


@given(st.text(max_size=40))
def test_any_unicode(text: str) -> None:
    check_nothing_is_invented(parse_answer(text))


@given(st.integers(0, len(GOOD)))
def test_cut_anywhere(length: int) -> None:
    answer = parse_answer(GOOD[:length], "boxes")
    check_nothing_is_invented(answer)
    true = {f.numbers for f in parse_answer(GOOD).objects}
    assert {f.numbers for f in answer.objects} <= true  # no cut number is taken for a whole one
    if GOOD[:length].count("[") > GOOD[:length].count("]"):
        assert "truncated" in kinds(answer)


@given(st.data())
def test_mangled(data: st.DataObject) -> None:
    text = list(GOOD)
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(text) - 1))
        what = data.draw(st.sampled_from(["", "[", "]", ";", ",", "9", "<p>", "</p>", "x", "."]))
        text[at] = what
    check_nothing_is_invented(parse_answer("".join(text), "boxes"))


@given(st.lists(st.tuples(st.sampled_from(["ship", "bus"]), st.integers(0, 8), st.integers(0, 8))))
def test_what_is_written_is_read(items: list[tuple[str, int, int]]) -> None:
    objects = [ObjectBox(name, (x * 10, y * 10, x * 10 + 15, y * 10 + 12)) for name, x, y in items]
    answer = parse_answer(detection_answer(objects, Square(100, 100)), "boxes")
    assert not answer.malformed
    assert len(answer.objects) == len(objects)
    wanted = sorted(Square(100, 100).place(item.box).numbers for item in objects)
    assert sorted(f.numbers for f in answer.objects) == wanted
