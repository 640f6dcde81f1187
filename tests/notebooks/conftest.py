"""What the tests of the book share."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CHAPTERS = sorted((ROOT / "book").glob("[0-9][0-9]_*.ipynb"))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test with an argument ``chapter`` runs once for every chapter."""
    if "chapter" in metafunc.fixturenames:
        metafunc.parametrize("chapter", CHAPTERS, ids=[path.stem for path in CHAPTERS])


@pytest.fixture
def python() -> Callable[..., None]:
    """Runs this interpreter in the checkout as `make test` does, and shows what it printed if it fails."""

    def run(*arguments: str | Path) -> None:
        environment = os.environ | {
            "OMP_NUM_THREADS": "1",
            "MKL_NUM_THREADS": "1",
            "CUDA_VISIBLE_DEVICES": "",  # stored outputs come from a processor
            "MFNET_LITE_STATIC": "1",
        }
        command = [sys.executable, *map(str, arguments)]
        result = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
        )
        if result.returncode:
            pytest.fail(
                f"{' '.join(command[1:])}\n{(result.stdout + result.stderr)[-6000:]}", pytrace=False
            )

    return run
