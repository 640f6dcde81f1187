"""Folders that a kill left unfinished: taken up by the same call, refused by another one and by readers."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from mfnet_lite import world
from mfnet_lite.language import world_dialogues
from mfnet_lite.rasters import open_dataset
from mfnet_lite.utils.fresh_folders import UNFINISHED, check_finished, finish_folder, fresh_folder
from mfnet_lite.world import layouts
from mfnet_lite.world.plates import folders

TWO = {"tiles": 2, "size": 64, "quiet": True}
AREAS = {"areas": (1, 3), "size": 64, "quiet": True}
IMAGES = {"images": 3, "size": 64, "quiet": True}
WRITERS: dict[str, tuple[Any, str, Any, dict[str, Any]]] = {
    "folder": (layouts, "make_scene", world.write_folder, TWO),
    "pairs": (layouts, "make_pair", world.write_pairs, TWO),
    "isprs": (layouts, "make_scene", world.write_isprs, AREAS),
    "plates": (folders, "make_plate_image", world.write_plates, IMAGES),
    "dialogues": (world_dialogues, "make_scene", world_dialogues.write_world_instructions, TWO),
}


def hashes(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


class Killed(BaseException):
    """Ends a call as a kill does: nothing is tidied up behind it."""


@pytest.mark.parametrize("kind", WRITERS)
def test_what_a_kill_left_is_written_to_its_end(kind, tmp_path, monkeypatch):
    module, maker, write, arguments = WRITERS[kind]
    whole = hashes(write(tmp_path / "whole", **arguments))
    make, calls = getattr(module, maker), []

    def killed(*args, **kwargs):
        calls.append(args)
        if len(calls) == 2:
            (tmp_path / "out" / ".half-xyz.part.tif").write_bytes(b"half")
            raise Killed
        return make(*args, **kwargs)

    monkeypatch.setattr(module, maker, killed)
    with pytest.raises(Killed):
        write(tmp_path / "out", **arguments)
    monkeypatch.setattr(module, maker, make)
    assert UNFINISHED in hashes(tmp_path / "out")
    with pytest.raises(ValueError, match="was begun with other arguments and is unfinished"):
        write(tmp_path / "out", **arguments | {"seed": 7})
    assert hashes(write(tmp_path / "out", **arguments)) == whole
    with pytest.raises(ValueError, match="expected a new or empty folder"):
        write(tmp_path / "out", **arguments)


def test_readers_refuse_an_unfinished_dataset(tmp_path):
    folder = world.write_folder(tmp_path / "a", 3, 64, quiet=True)
    open_dataset(folder)
    (folder / UNFINISHED).write_text("{}")
    with pytest.raises(ValueError, match="a is unfinished: whoever wrote it was stopped"):
        open_dataset(folder)


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "a").touch()
    with pytest.raises(ValueError, match="is a file, expected a new or empty folder"):
        fresh_folder(tmp_path / "a", {})
    folder = fresh_folder(tmp_path / "b", {"size": 1})
    with pytest.raises(ValueError, match="is unfinished"):
        check_finished(folder)
    check_finished(finish_folder(folder))
    assert list(folder.iterdir()) == []
