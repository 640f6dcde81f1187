"""Remarks on many files are one line."""

from __future__ import annotations

from pathlib import Path

from mfnet_lite.rasters.notes import Notes


def test_the_largest_share_of_several_files_is_told():
    notes = Notes()
    notes.add_share(Path("a.tif"), "is dark in {share} of its pixels", 0.1)
    assert notes.lines() == ["a.tif is dark in 10.0 % of its pixels"]
    notes.add_share(Path("b.tif"), "is dark in {share} of its pixels", 0.25)
    notes.add_share(Path("c.tif"), "is dark in {share} of its pixels", 0.2)
    assert notes.lines() == ["a.tif is dark in up to 25.0 % of its pixels (and 2 more files)"]


def test_a_remark_is_logged_once(caplog):
    notes = Notes()
    for name in ("a.tif", "b.tif"):
        notes.add(Path(name), ["is odd"])
        notes.log()
    assert caplog.messages == ["a.tif is odd"]
