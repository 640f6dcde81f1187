"""Compiling the scan: what is kept, what happens without a compiler, with a broken one, and without a folder."""

from __future__ import annotations

import pytest

from mfnet_lite.nets.layers import scan_compiled
from mfnet_lite.nets.layers.scan_compiled import compiler, kernel

needs_compiler = pytest.mark.skipif(compiler() is None, reason="no C++ compiler")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder of downloads, and no kernel in memory."""
    monkeypatch.setattr(scan_compiled, "cache_folder", lambda: tmp_path / "mfnet_lite")
    monkeypatch.setattr(scan_compiled, "kernel", kernel.__wrapped__)
    return tmp_path / "mfnet_lite"


@needs_compiler
def test_compiled_once_and_kept(folder, monkeypatch):
    assert scan_compiled.kernel() is not None
    (kept,) = folder.iterdir()
    assert kept.suffix == ".so"
    monkeypatch.setattr(scan_compiled, "_compile", lambda *_: pytest.fail("compiled again"))
    assert scan_compiled.kernel() is not None


@needs_compiler
def test_another_source_is_another_file(folder, monkeypatch, tmp_path):
    scan_compiled.kernel()
    changed = tmp_path / "selective_scan.cpp"
    changed.write_bytes(scan_compiled.SOURCE.read_bytes() + b"// changed\n")
    monkeypatch.setattr(scan_compiled, "SOURCE", changed)
    scan_compiled.kernel()
    assert len(list(folder.iterdir())) == 2


@needs_compiler
def test_flags_that_a_compiler_does_not_know_are_left_out(folder, monkeypatch):
    monkeypatch.setattr(scan_compiled, "TRIED", (("-fno-such-flag-anywhere",), ()))
    assert scan_compiled.kernel() is not None


@needs_compiler
def test_a_source_that_does_not_compile_leaves_nothing_and_is_told(folder, monkeypatch, tmp_path):
    broken = tmp_path / "selective_scan.cpp"
    broken.write_text("int f( {\n")
    monkeypatch.setattr(scan_compiled, "SOURCE", broken)
    with pytest.warns(
        UserWarning, match="was not compiled, so that scans take PyTorch's operations"
    ):
        assert scan_compiled.kernel() is None
    assert list(folder.iterdir()) == []


@needs_compiler
def test_a_folder_that_cannot_be_written(folder, monkeypatch):
    folder.parent.mkdir(exist_ok=True)
    folder.write_text("a file where the folder should be")
    with pytest.warns(UserWarning, match="was not compiled"):
        assert scan_compiled.kernel() is None


def test_without_a_compiler_there_is_no_kernel_and_no_word(monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert kernel.__wrapped__() is None


@needs_compiler
@pytest.mark.parametrize("named", ["env c++", "", "  "])
def test_a_compiler_named_with_arguments_and_an_empty_name(folder, monkeypatch, named):
    monkeypatch.setenv("CXX", named)
    assert scan_compiled.kernel() is not None


def test_a_compiler_in_a_folder_with_a_space(monkeypatch, tmp_path):
    tool = tmp_path / "my tools" / "c++"
    tool.parent.mkdir()
    tool.write_text("#!/bin/sh\n")
    tool.chmod(0o755)
    monkeypatch.setenv("CXX", str(tool))
    assert compiler() == (str(tool),)


@needs_compiler
def test_a_kept_file_that_does_not_load_is_made_anew(folder, monkeypatch, tmp_path):
    scan_compiled.kernel()
    (kept,) = folder.iterdir()
    empty = tmp_path / "other" / kept.name  # not the same path, which stays loaded
    empty.parent.mkdir()
    empty.write_bytes(b"")
    monkeypatch.setattr(scan_compiled, "cache_folder", lambda: empty.parent)
    assert scan_compiled.kernel() is not None
    assert empty.stat().st_size == kept.stat().st_size
