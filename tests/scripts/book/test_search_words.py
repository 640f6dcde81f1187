"""The search of the site finds Chinese words and orders what it finds."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

BOOK = Path(__file__).resolve().parents[3] / "book"

CASES = {
    "LoRA低秩适应": ["LoRA", "低秩", "秩适", "适应"],
    "变化检测": ["变化", "化检", "检测"],
    "词元, a token": ["词元", "a", "token"],
    "树": ["树"],
    "SAM-CD 2024 mfnet_lite": ["SAM", "CD", "2024", "mfnet_lite"],
    "": [],
}


@pytest.fixture
def search_words(monkeypatch):
    pytest.importorskip("sphinx")
    monkeypatch.syspath_prepend(str(BOOK / "_ext"))
    import search_words  # type: ignore[import-not-found]

    yield search_words
    sys.modules.pop("search_words")


def test_the_index_splits_chinese_into_pairs(search_words):
    assert {text: search_words.BookSearch({}).split(text) for text in CASES} == CASES


def test_the_browser_splits_a_query_as_the_index_does(search_words):
    node = shutil.which("node")
    if node is None:
        pytest.skip("no node")
    texts = json.dumps(list(CASES))
    script = (
        f"{search_words.SPLIT_IN_THE_BROWSER};console.log(JSON.stringify({texts}.map(splitQuery)))"
    )
    done = subprocess.run([node, "-e", script], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == list(CASES.values())


def test_text_of_chapters_comes_before_names_of_functions():
    text = (BOOK / "_static" / "search_scorer.js").read_text(encoding="utf-8")
    weights = {name: int(number) for name, number in re.findall(r"(\w+): (\d+),", text)}
    assert weights["objNameMatch"] < weights["term"] < weights["title"]
