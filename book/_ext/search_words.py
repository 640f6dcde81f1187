"""Sphinx extension: the search finds Chinese words, and puts chapters before functions.

Sphinx takes an unbroken run of Chinese characters for one word, so it finds a term
only where it stands alone. Here every pair of neighbouring characters is a word, in the
index as in what the reader types: a page is found if it has all pairs. The order of
results is that of ``_static/search_scorer.js``.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.search.en import SearchEnglish

RUN = re.compile(r"[\u4e00-\u9fff]+|[^\W\u4e00-\u9fff]+")
"""A run of Chinese characters, or of other letters and digits."""

SPLIT_IN_THE_BROWSER = r"""
const PIECES = /[\u4e00-\u9fff]+|(?:(?![\u4e00-\u9fff])[\p{Letter}\p{Number}_])+/gu;
var splitQuery = (query) =>
  (query.match(PIECES) ?? []).flatMap((run) =>
    /^[\u4e00-\u9fff]{3,}$/u.test(run)
      ? Array.from({ length: run.length - 1 }, (_, k) => run.slice(k, k + 2))
      : [run]
  );
"""


def words_of(text: str) -> list[str]:
    """Words of a text, Chinese runs as pairs of neighbours.

    Args:
        text: Any text.

    Returns:
        The words in order.

    Example:
        >>> words_of("LoRA低秩适应")
        ['LoRA', '低秩', '秩适', '适应']
    """
    found: list[str] = []
    for run in RUN.findall(text):
        chinese = len(run) > 2 and "\u4e00" <= run[0] <= "\u9fff"
        found += [run[k : k + 2] for k in range(len(run) - 1)] if chinese else [run]
    return found


class BookSearch(SearchEnglish):
    """English with its stems, and Chinese by pairs of characters."""

    js_splitter_code = SPLIT_IN_THE_BROWSER

    def split(self, input: str) -> list[str]:  # noqa: A002 (Sphinx names it)
        """Split a text as the reader's query is split."""
        return words_of(input)


def order_results(app: Sphinx, config: Config) -> None:
    """Name the file that weighs the kinds of results."""
    scorer = Path(__file__).resolve().parents[1] / "_static" / "search_scorer.js"
    config.html_search_scorer = str(scorer)


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the language and the order."""
    app.add_search_language(BookSearch)
    app.connect("config-inited", order_results)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
