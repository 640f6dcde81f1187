"""Only what stands between the marks of a page is replaced, word for word."""

from __future__ import annotations

import pytest

from scripts.book.marked_section import with_marked

MARKS = ("<!-- from a.json -->", "<!-- to here -->")


def test_the_rest_of_the_page_stays() -> None:
    page = f"head\n{MARKS[0]}\none\ntwo\n{MARKS[1]}\ntail\n"
    section = f"{MARKS[0]}\n\\1 stays \\1\n{MARKS[1]}"
    assert with_marked(page, MARKS, section) == f"head\n{section}\ntail\n"


@pytest.mark.parametrize(
    "page",
    ["no marks", MARKS[0], f"{MARKS[1]} {MARKS[0]}", f"{MARKS[0]} {MARKS[0]} {MARKS[1]}"],
    ids=["none", "no end", "turned", "twice"],
)
def test_a_page_without_a_single_place_is_refused(page: str) -> None:
    with pytest.raises(ValueError, match="expected each mark once, in this order"):
        with_marked(page, MARKS, "new")
