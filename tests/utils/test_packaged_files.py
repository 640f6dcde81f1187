"""Files in other packages: found without running their code, verified, or one sentence."""

from __future__ import annotations

import hashlib
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from mfnet_lite.utils.packaged_files import PackagedFile, find_packaged, packaged_status

CONTENT = b"weights"
WANTED = PackagedFile(
    distribution="made-of-a-test",
    package="made_of_a_test",
    path="models/made.pth",
    sha256=hashlib.sha256(CONTENT).hexdigest(),
    size=len(CONTENT),
    licence="Apache-2.0",
    data="nothing",
)


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / WANTED.package
    (folder / "models").mkdir(parents=True)
    (folder / "__init__.py").write_text("raise AssertionError('the code of the package was run')\n")
    (folder / WANTED.path).write_bytes(CONTENT)
    monkeypatch.syspath_prepend(tmp_path)
    return folder


def test_found_without_running_the_package(package: Path) -> None:
    assert find_packaged("net", WANTED) == package / WANTED.path
    assert WANTED.package not in sys.modules
    assert (
        packaged_status("net", WANTED)
        == "here, made-of-a-test, trained on nothing, Apache-2.0, SHA-256 right"
    )


def test_another_file_is_refused(package: Path) -> None:
    (package / WANTED.path).write_bytes(CONTENT[::-1])
    with pytest.raises(ValueError, match=r"has SHA-256 .* not the release of made-of-a-test"):
        find_packaged("net", WANTED)
    assert "SHA-256 wrong" in packaged_status("net", WANTED)
    (package / WANTED.path).write_bytes(CONTENT + b"more")
    with pytest.raises(ValueError, match="11 bytes where 7 are expected"):
        find_packaged("net", WANTED)
    (package / WANTED.path).unlink()
    with pytest.raises(FileNotFoundError, match=r"is missing, though made-of-a-test is installed"):
        find_packaged("net", WANTED)


def test_what_to_install() -> None:
    absent = replace(WANTED, package="installed_nowhere")
    with pytest.raises(
        FileNotFoundError, match=r'pip install "mfnet-lite\[pretrained\]"'
    ) as caught:
        find_packaged("net", absent)
    assert "\n" not in str(caught.value)
    assert packaged_status("net", absent) == 'not here, pip install "mfnet-lite[pretrained]"'
