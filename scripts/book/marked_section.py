"""The part of a page that a script writes: what stands between two marks."""

from __future__ import annotations

__all__ = ["with_marked"]


def with_marked(page: str, marks: tuple[str, str], section: str) -> str:
    """Return a page with another section in place of the one between its marks.

    Args:
        page: Text of the page.
        marks: Lines where the section begins and ends, each once in the page and in this order.
        section: What to put there, marks included.

    Raises:
        ValueError: If the page has not each mark once, in this order.

    Example:
        >>> with_marked("a <b> old <e> z", ("<b>", "<e>"), "<b> new <e>")
        'a <b> new <e> z'
    """
    begin, end = marks
    if (page.count(begin), page.count(end)) != (1, 1) or page.index(begin) > page.index(end):
        raise ValueError(
            f"the page has no single section between {begin} and {end}: expected each mark once, in this order"
        )
    before, _, rest = page.partition(begin)
    return before + section + rest.partition(end)[2]
