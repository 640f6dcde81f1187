"""Say which parts of the built site are Chinese, so that a screen reader speaks them as such.

Sphinx knows one language for a whole book. The abstracts of chapters (class ``abstract-zh``) and the summaries in
``book/zh`` get a ``lang`` of their own (WCAG 2.2, success criterion 3.1.2).
"""

from __future__ import annotations

import re
from pathlib import Path

from mfnet_lite.utils.files import write_text

LANGUAGE = 'lang="zh-CN"'
ABSTRACT = re.compile(r'<(\w+)((?:\s[^<>]*)?\sclass="[^"]*\babstract-zh\b[^"]*")')
ARTICLE = re.compile(r"<article\b")


def mark_chinese(html: Path) -> int:
    """Mark abstracts and summaries of a built site.

    Args:
        html: Folder of the site.

    Returns:
        How many places were marked.

    Raises:
        ValueError: If a summary has no article to be marked.
    """
    marked = 0
    for path in sorted(html.rglob("*.html")):
        text = path.read_text(encoding="utf-8")
        if path.parent.name == "zh":
            changed, count = ARTICLE.subn(f"<article {LANGUAGE}", text, count=1)
            if not count:
                raise ValueError(
                    f"{path.name}: expected an <article> that holds the text, found none"
                )
        else:
            changed, count = ABSTRACT.subn(rf"<\1 {LANGUAGE}\2", text)
        if count:
            write_text(path, changed)
        marked += count
    return marked
