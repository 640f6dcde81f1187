"""Pages as a browser shows them: what is wrong with a bad one is told, and a good one passes."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from scripts.book import check_in_browser
from scripts.book.browser import find_chromium, open_browser
from scripts.book.check_in_browser import main, problems_of, told_by

GOOD = """<!doctype html><meta name="viewport" content="width=device-width"><title>x</title>
<div class="bd-article"><p>A short text.</p>
<div style="overflow-x: auto"><table style="width: 900px"><tr><td>can be scrolled to</td></tr></table></div></div>"""
BAD = """<!doctype html><meta name="viewport" content="width=device-width"><title>x</title>
<link rel="stylesheet" href="missing.css"><script>undefinedFunction()</script>
<div class="bd-article"><table style="width: 900px"><tr><td>cut off</td></tr></table></div>"""


def test_events_are_told_in_a_phrase_each():
    sent = {"requestId": "1", "request": {"url": "https://example.org/a.js"}}
    events = [
        {"method": "Network.requestWillBeSent", "params": sent},
        {"method": "Network.loadingFailed", "params": {"requestId": "1", "errorText": "net::X"}},
        {
            "method": "Network.loadingFailed",
            "params": {"requestId": "1", "errorText": "net::Y", "canceled": True},
        },
        {"method": "Network.requestWillBeSent", "params": {"requestId": "2", "request": {"url": "file:///a"}}},
        {"method": "Page.loadEventFired", "params": {}},
    ]  # fmt: skip
    assert told_by(events) == [
        "asks for https://example.org/a.js",
        "does not get https://example.org/a.js: net::X",
    ]


@pytest.fixture
def chromium() -> str:
    program = find_chromium()
    if program is None:
        pytest.skip("needs Chromium or Chrome")
    return program


def test_a_bad_page_is_told_and_a_good_one_passes(tmp_path: Path, chromium: str):
    for name, text in (("good", GOOD), ("bad", BAD)):
        (tmp_path / f"{name}.html").write_text(text)

    async def look() -> list[list[str]]:
        async with open_browser(chromium) as page:
            return [
                await problems_of(page, (tmp_path / f"{name}.html").as_uri(), width, None)
                for name, width in (("good", 390), ("bad", 390), ("bad", 1280))
            ]

    good, narrow, wide = asyncio.run(look())
    assert good == []
    told = "\n".join(narrow)
    assert "missing.css: net::ERR_FILE_NOT_FOUND" in told
    assert "has an error in a script: ReferenceError: undefinedFunction is not defined" in told
    assert "can be pushed sideways by" in told
    assert "<table> ends" in told
    assert not any("sideways" in line or "<table>" in line for line in wide)


def test_without_a_browser_it_says_so(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(check_in_browser, "find_chromium", lambda: None)
    assert main([str(tmp_path)]) == 0
    assert "no Chromium found, so the pages were not looked at" in capsys.readouterr().out
