"""The package's wheel, built from a copy of its source, so that the checkout gains no build folder."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

__all__ = ["build_wheel"]

ROOT = Path(__file__).resolve().parents[2]
FILES = ("pyproject.toml", "README.md", "LICENSE")


def build_wheel(out: Path) -> Path:
    """Build the wheel of the checkout.

    Args:
        out: Folder of the wheel, made if need be.

    Returns:
        Its path.

    Raises:
        RuntimeError: If it cannot be built, with what the builder said.
    """
    with tempfile.TemporaryDirectory() as scratch:
        source = Path(scratch) / "source"
        source.mkdir()
        for name in FILES:
            shutil.copy2(ROOT / name, source / name)
        shutil.copytree(
            ROOT / "mfnet_lite",
            source / "mfnet_lite",
            ignore=shutil.ignore_patterns("__pycache__"),
        )
        dist = Path(scratch) / "dist"
        done = subprocess.run(
            [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", dist, source],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(
                f"the wheel could not be built: {(done.stdout + done.stderr)[-4000:]}"
            )
        (built,) = dist.glob("*.whl")
        out.mkdir(parents=True, exist_ok=True)
        return Path(shutil.copy2(built, out / built.name))
