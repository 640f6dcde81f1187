"""What the benchmarks share: earlier commits, fresh processes, memory that a call adds, where figures come from."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from mfnet_lite.utils.provenance import current_memory, peak_memory, reset_peak_memory

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "book" / "results"


def check_out(commit: str, folder: Path) -> Path:
    """Unpack the files of an earlier commit.

    Args:
        commit: Name of the commit.
        folder: Where to; it is made.

    Returns:
        The folder.

    Raises:
        ValueError: If this checkout does not know the commit.
    """
    packed = subprocess.run(["git", "archive", commit], cwd=ROOT, check=False, capture_output=True)
    if packed.returncode:
        raise ValueError(
            f"commit {commit}: expected one that this checkout knows, found none; fetch the whole history."
        )
    folder.mkdir(parents=True)
    subprocess.run(["tar", "-x", "-C", str(folder)], input=packed.stdout, check=True)
    return folder


def working_tree() -> str:
    """Name the commit of the working tree, marked ``-dirty`` if files differ from it."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    return subprocess.run(
        command, cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.strip()


def now() -> str:
    """Return the time in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def one_thread() -> str:
    """Describe a processor of which one thread is used."""
    return f"{platform.processor() or platform.machine()}, CPU only, one thread"


def run_module(module: str, words: Sequence[str], **environment: str) -> str:
    """Run a module in a fresh process and return the last line that it prints.

    Args:
        module: Its dotted name.
        words: Its command line.
        **environment: Variables for the process beside those of this one.

    Raises:
        RuntimeError: If it fails; the message holds what it printed.
    """
    done = subprocess.run(
        [sys.executable, "-m", module, *words],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | environment,
    )
    if done.returncode:
        raise RuntimeError(f"python -m {module} {' '.join(words)} failed:\n{done.stderr}")
    return done.stdout.splitlines()[-1]


def added_memory(call: Callable[[], object]) -> int:
    """Return the bytes by which a call raises the peak of this process.

    Args:
        call: What is measured.

    Raises:
        RuntimeError: If the system does not count the memory of a process; only Linux does.
    """
    reset_peak_memory()  # forget the peak of whatever was built before
    before = current_memory()
    if before is None:
        raise RuntimeError("this system does not count the memory of a process; measure on Linux")
    call()
    return (peak_memory() or before) - before
