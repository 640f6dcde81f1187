"""Chinese parts of the site say that they are Chinese."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.book.languages import mark_chinese


def test_abstracts_and_summaries_are_marked(tmp_path: Path) -> None:
    chapter, summary = tmp_path / "04_lora.html", tmp_path / "zh" / "part_1.html"
    summary.parent.mkdir()
    chapter.write_text(
        '<html lang="en"><article><div class="admonition abstract-zh"><p>摘要</p></div>'
        '<div class="other">x</div></article></html>',
        encoding="utf-8",
    )
    summary.write_text(
        '<html lang="en"><article class="bd-article"><h1>概要</h1></article></html>',
        encoding="utf-8",
    )
    plain = tmp_path / "index.html"
    plain.write_text('<article class="bd-article">English</article>', encoding="utf-8")
    assert mark_chinese(tmp_path) == 2
    assert '<div lang="zh-CN" class="admonition abstract-zh">' in chapter.read_text("utf-8")
    assert '<div class="other">' in chapter.read_text("utf-8")
    assert '<article lang="zh-CN" class="bd-article">' in summary.read_text("utf-8")
    assert "lang=" not in plain.read_text("utf-8")


def test_a_summary_without_a_text_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "zh").mkdir()
    (tmp_path / "zh" / "part_1.html").write_text("<main>概要</main>", encoding="utf-8")
    with pytest.raises(ValueError, match="expected an <article>"):
        mark_chinese(tmp_path)
