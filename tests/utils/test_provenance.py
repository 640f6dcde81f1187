"""A figure's origin is found where there is git and on Linux, and does no harm elsewhere."""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import mfnet_lite
from mfnet_lite.utils import provenance

MIB = 2**20
LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads what Linux counts")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false"]
    for command in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "first"]):
        subprocess.run([*git, *command], cwd=tmp_path, check=True, capture_output=True)
    return tmp_path


def test_a_commit_by_its_full_and_its_short_name(repository):
    full, short = provenance.commit(repository), provenance.commit(repository, short=True)
    assert re.fullmatch(r"[0-9a-f]{40}", full)
    assert full.startswith(short)
    assert 4 <= len(short) < 40
    assert provenance.commit(repository / ".git") == full


def test_no_commit_is_an_empty_name(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    folder = tmp_path / "plain"
    folder.mkdir()
    assert provenance.commit(folder) == ""
    assert provenance.commit(folder / "missing") == ""


def test_a_repository_before_its_first_commit(tmp_path):
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    assert provenance.commit(tmp_path) == provenance.commit(tmp_path, short=True) == ""


def test_without_git_there_is_no_commit(repository, monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert provenance.commit(repository) == ""


def test_versions_are_those_of_what_runs():
    found = provenance.versions()
    assert list(found) == ["mfnet_lite", "python", *provenance.LIBRARIES]
    assert found["mfnet_lite"] == mfnet_lite.__version__
    assert found["python"] == platform.python_version()
    assert found["torch"].partition("+")[0] == torch.__version__.partition("+")[0]
    assert found["numpy"] == np.__version__


@LINUX
def test_the_peak_starts_anew():
    # in a process of its own: what other tests have freed is returned when the allocator likes
    code = f"""
import numpy as np
from mfnet_lite.utils import provenance

ballast = np.ones(200 * {MIB} // 8)
before = provenance.peak_memory()
del ballast
assert provenance.reset_peak_memory()
assert provenance.current_memory() <= provenance.peak_memory() + {MIB}
assert provenance.peak_memory() < before - 100 * {MIB}
"""
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(("system", "unit"), [("darwin", 1), ("freebsd", 1024)])
def test_elsewhere_the_operating_system_counts(monkeypatch, tmp_path, system, unit):
    resource = pytest.importorskip("resource")

    class Usage:
        ru_maxrss = 12345

    monkeypatch.setattr(provenance, "STATUS", tmp_path / "none")
    monkeypatch.setattr(provenance, "CLEAR_REFS", tmp_path / "none")
    monkeypatch.setattr(resource, "getrusage", lambda who: Usage())
    monkeypatch.setattr(sys, "platform", system)
    assert provenance.peak_memory() == 12345 * unit
    assert provenance.current_memory() is None
    assert not provenance.reset_peak_memory()


def test_where_nobody_counts_there_is_no_figure(monkeypatch, tmp_path):
    monkeypatch.setattr(provenance, "STATUS", tmp_path / "none")
    monkeypatch.setitem(sys.modules, "resource", None)
    assert provenance.peak_memory() is None
