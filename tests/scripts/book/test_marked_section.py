"""Only what stands between the marks of a page is replaced, word for word."""

from __future__ import annotations

from scripts.book.marked_section import with_marked

MARKS = ("<!-- from a.json -->", "<!-- to here -->")


def test_the_rest_of_the_page_stays() -> None:
    page = f"head\n{MARKS[0]}\none\ntwo\n{MARKS[1]}\ntail\n"
    section = f"{MARKS[0]}\n\\1 stays \\1\n{MARKS[1]}"
    assert with_marked(page, MARKS, section) == f"head\n{section}\ntail\n"
    assert with_marked("no marks", MARKS, section) == "no marks"
