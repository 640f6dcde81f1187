"""Files that are whole: the old one or the new one, never half, and no litter."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from mfnet_lite.utils.files import replacing, write_text


def test_a_failed_write_leaves_the_old_file_and_no_litter(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "old")

    def fail() -> None:
        with replacing(path) as temporary:
            temporary.write_text("half")
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        fail()
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_parents_are_made_and_the_suffix_is_kept(tmp_path: Path) -> None:
    with replacing(tmp_path / "new" / "b.tif") as temporary:
        assert temporary.parent == tmp_path / "new"
        assert temporary.suffix == ".tif"
        assert temporary.name.startswith(".")  # no reader lists hidden files
        temporary.write_bytes(b"1")
    assert (tmp_path / "new" / "b.tif").read_bytes() == b"1"


def test_text_is_utf8_and_readable_for_others_as_usual(tmp_path: Path) -> None:
    write_text(tmp_path / "t.txt", "é")
    assert (tmp_path / "t.txt").read_bytes() == "é".encode()
    usual = tmp_path / "usual"
    usual.touch()
    assert stat.S_IMODE((tmp_path / "t.txt").stat().st_mode) == stat.S_IMODE(usual.stat().st_mode)


@pytest.mark.skipif(os.name != "posix", reason="kills by signal")
def test_a_kill_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "old")
    code = (
        "import os, signal, sys; from mfnet_lite.utils.files import replacing\n"
        "with replacing(sys.argv[1]) as temporary:\n"
        "    temporary.write_text('half'); os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], check=False)
    assert done.returncode == -9
    assert path.read_text() == "old"
