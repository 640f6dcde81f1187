"""What the page with the live SAM is made of, with and without npm, and a small page in a real browser."""

from __future__ import annotations

import asyncio
import base64
import gzip
import hashlib
import io
import json
import re
import tarfile
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from scripts.book import live_page
from scripts.book.browser import find_chromium, open_browser
from scripts.book.live_page import MissingError, inmost, unpack_runtime, widget, write_page

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = ROOT / "book" / "_static" / "live" / "live.js"


def archive(wasm: bytes = b"\0asm" * 50) -> bytes:
    """A package as npm brings it."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as file:
        contents = {live_page.MODULE: b"export const a = '</script>';", live_page.WASM: wasm}
        for name, content in contents.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            file.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def test_the_runtime_becomes_a_script_that_any_page_can_load():
    packed = archive()
    text = unpack_runtime(packed, hashlib.sha256(packed).hexdigest())
    assert text.startswith("// onnxruntime-web@")
    assert "MIT License" in text.splitlines()[0]
    assert "</script>" not in text
    (literal,) = re.findall(r"window\.liveSamRuntime = (.*);\n", text)
    parts = json.loads(literal)
    assert parts["module"] == "export const a = '</script>';"
    assert gzip.decompress(base64.b64decode(parts["wasm"])) == b"\0asm" * 50


def test_another_package_than_the_known_one_is_refused():
    with pytest.raises(ValueError, match=r"npm brought another .*expected SHA-256 d2228df7e461"):
        unpack_runtime(archive())


class Outline(HTMLParser):
    """Tags and identifiers of a fragment."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags, self.open, self.attributes = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes.append((tag, dict(attrs)))
        if tag not in ("link", "input", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_every_part_that_the_script_asks_for_is_in_the_page():
    page = widget("<p>pictures</p>", live=True)
    outline = Outline(page)
    assert outline.open == []
    parts = {values["data-part"] for _, values in outline.attributes if "data-part" in values}
    assert set(re.findall(r'part\("(\w+)"\)', SCRIPT.read_text(encoding="utf-8"))) == parts
    assert page.index("<p>pictures</p>") < page.index("<script")
    named = [v for t, v in outline.attributes if t in ("input", "select", "button", "canvas")]
    assert len(named) == 13
    assert outline.tags.count("label") == 9  # every input and the list of pictures stand in one


def test_without_npm_the_page_shows_pictures(tmp_path, monkeypatch):
    monkeypatch.setattr(live_page.shutil, "which", lambda name: None)
    monkeypatch.setattr(live_page, "FRAMES", 2)
    assert write_page(tmp_path, tmp_path / "cache") == "npm is not installed"
    page = (tmp_path / live_page.WIDGET).read_text(encoding="utf-8")
    outline = Outline(page)
    assert outline.open == []
    assert outline.tags.count("img") == 2
    assert not {"script", "canvas", "link"} & set(outline.tags)
    assert "built without the model" in page
    assert list((tmp_path / live_page.STATIC).iterdir()) == []
    assert "first mask" in (tmp_path / live_page.MEASURED).read_text(encoding="utf-8")


def test_npm_that_delivers_nothing_is_a_reason_and_no_crash(tmp_path, monkeypatch):
    monkeypatch.setattr(live_page.shutil, "which", lambda name: "/bin/false")
    with pytest.raises(MissingError, match="npm does not bring onnxruntime-web@"):
        live_page.runtime_script(tmp_path)


def test_the_export_without_its_packages_is_a_reason(tmp_path, monkeypatch):
    def missing(name):
        raise ImportError(f"ONNX files need the package {name}")

    monkeypatch.setattr(live_page, "onnx_package", missing)
    with pytest.raises(MissingError, match="need the package onnx"):
        live_page.models_script(tmp_path)


def test_the_first_click_lies_deep_inside():
    mask = np.zeros((9, 9), dtype=bool)
    mask[1:8, 2:9] = True
    assert inmost(mask) == (5, 4)
    for image, _, (x, y) in live_page.sample_pictures():
        assert image.shape == (3, 256, 256)
        assert image.dtype == np.uint8
        assert 0 < x < 255
        assert 0 < y < 255


def test_a_page_without_its_scripts_falls_back_to_the_pictures(tmp_path):
    """From a folder, as readers open it; what is missing is said, and nothing is left half shown."""
    program = find_chromium()
    if program is None:
        pytest.skip("needs Chromium or Chrome")
    (tmp_path / "book").mkdir()
    folder = tmp_path / live_page.STATIC
    folder.mkdir(parents=True)
    for file in SCRIPT.parent.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    page = "<!doctype html><title>x</title>" + widget("<p>pictures</p>", live=True)
    (tmp_path / "book" / "live.html").write_text(page, encoding="utf-8")

    async def look():
        async with open_browser(program) as tab:
            await tab.open((tmp_path / "book" / "live.html").as_uri(), 800)
            return await tab.evaluate(
                """new Promise(done => {
                  const look = () => document.getElementById("live-sam").hidden
                    ? done([document.getElementById("live-sam-still").hidden,
                            document.getElementById("live-sam-note").textContent])
                    : setTimeout(look, 20);
                  setTimeout(look, 20);
                })"""
            )

    hidden, note = asyncio.run(look())
    assert not hidden
    assert "does not run in this browser" in note
    assert "models.js cannot be loaded" in note or "runtime.js cannot be loaded" in note
