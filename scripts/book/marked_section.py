"""The part of a page that a script writes: what stands between two marks."""

from __future__ import annotations

import re

__all__ = ["with_marked"]


def with_marked(page: str, marks: tuple[str, str], section: str) -> str:
    """Return a page with another section in place of the one between its marks.

    Args:
        page: Text of the page.
        marks: Where the section begins and ends.
        section: What to put there, marks included.

    Example:
        >>> with_marked("a <b> old <e> z", ("<b>", "<e>"), "<b> new <e>")
        'a <b> new <e> z'
    """
    begin, end = map(re.escape, marks)
    return re.sub(f"{begin}.*{end}", lambda _: section, page, flags=re.S)
