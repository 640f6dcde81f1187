"""Folders of parts: no part without a plan is taken up, and none is left behind."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from mfnet_lite.scenes.part_folder import begin_folder, end_folder


def folder_of(path: Path, parts: int) -> Path:
    begin_folder(path, {"weights": "a"})
    for number in range(parts):
        (path / f"{number}_0.npz").touch()
    return path


def test_parts_without_a_plan_are_refused(tmp_path):
    folder = folder_of(tmp_path / "tiles", 1)
    (folder / "plan.json").unlink()
    message = r"tiles holds parts of which nothing says .* plan\.json is missing; delete"
    with pytest.raises(ValueError, match=message):
        begin_folder(folder, {"weights": "a"})
    assert not (folder / "plan.json").exists()


def test_an_empty_folder_and_what_a_killed_write_left_are_no_parts(tmp_path):
    (tmp_path / ".plan-x1.part.json").touch()
    assert begin_folder(tmp_path, {"weights": "a"}) is False
    assert begin_folder(tmp_path, {"weights": "a"}) is False


def test_what_file_managers_put_there_is_no_part(tmp_path):
    (tmp_path / "tiles" / "@eaDir").mkdir(parents=True)
    (tmp_path / "tiles" / "Thumbs.db").touch()
    assert begin_folder(tmp_path / "tiles", {"weights": "a"}) is False


def test_a_folder_with_folders_in_it_is_deleted(tmp_path):
    folder, outside = folder_of(tmp_path / "tiles", 2), tmp_path / "outside"
    for name in (".ipynb_checkpoints", "@eaDir/0_0.npz"):
        (folder / name).mkdir(parents=True)
        (folder / name / "a.txt").touch()
    outside.mkdir()
    (outside / "kept.txt").touch()
    (folder / "link").symlink_to(outside, target_is_directory=True)
    end_folder(folder)
    assert not folder.exists()
    assert (outside / "kept.txt").exists()


def test_the_plan_goes_after_the_folders(tmp_path, monkeypatch):
    folder = folder_of(tmp_path / "tiles", 1)
    (folder / "@eaDir").mkdir()

    def killed(path: Path) -> None:
        assert path == folder
        raise KeyboardInterrupt

    remove = shutil.rmtree
    with monkeypatch.context() as patched:
        patched.setattr(
            shutil, "rmtree", lambda path: killed(path) if path == folder else remove(path)
        )
        with pytest.raises(KeyboardInterrupt):
            end_folder(folder)
    assert [path.name for path in folder.iterdir()] == ["plan.json"]


def test_only_the_parts_count_where_others_may_lie(tmp_path):
    (tmp_path / "readme.txt").touch()
    begin_folder(tmp_path, {"weights": "a"}, parts=[tmp_path / "objects" / "a.tif"])
    assert (tmp_path / "plan.json").exists()


@pytest.mark.parametrize("removed", range(4))
def test_a_kill_while_parts_are_deleted_leaves_the_plan(tmp_path, monkeypatch, removed):
    folder, left = folder_of(tmp_path / "tiles", 4), [None] * removed
    unlink = Path.unlink

    def until_killed(path: Path) -> None:
        if not left:
            raise KeyboardInterrupt
        left.pop()
        unlink(path)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", until_killed)
        with pytest.raises(KeyboardInterrupt):
            end_folder(folder)
    assert len(list(folder.glob("*.npz"))) == 4 - removed
    with pytest.raises(ValueError, match="made with another weights"):
        begin_folder(folder, {"weights": "b"})
    end_folder(folder)
    assert not folder.exists()
