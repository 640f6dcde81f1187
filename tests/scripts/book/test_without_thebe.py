"""Scripts that the book does not use stay off its pages."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

EXTENSIONS = Path(__file__).resolve().parents[3] / "book" / "_ext"


def test_both_scripts_of_thebe_are_found_and_no_other(monkeypatch):
    pytest.importorskip("sphinx")
    monkeypatch.syspath_prepend(str(EXTENSIONS))
    from without_thebe import is_thebe  # type: ignore[import-not-found]

    sys.modules.pop("without_thebe")

    def script(filename=None, **attributes):
        return SimpleNamespace(filename=filename, attributes=attributes)

    assert is_thebe(script(body='const THEBE_JS_URL = "x"'))
    assert is_thebe(script("_static/sphinx-thebe.js"))
    assert not is_thebe(script("_static/accessible.js"))
    assert not is_thebe(script(body="let a"))
    assert not is_thebe("_static/doctools.js")
