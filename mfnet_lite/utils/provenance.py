"""Where a figure comes from: the commit, the versions of the libraries, the memory it took.

Every measured table records them in the same form, so that a reader can tell which code made it.
"""

from __future__ import annotations

import platform
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import mfnet_lite

__all__ = ["commit", "current_memory", "peak_memory", "reset_peak_memory", "versions"]

LIBRARIES = ("torch", "numpy", "rasterio", "lightning-fabric", "segment-anything")
"""The libraries that decide about numbers."""
STATUS = Path("/proc/self/status")
"""Where Linux counts the memory of a program."""
CLEAR_REFS = Path("/proc/self/clear_refs")
"""Writing a 5 to this file makes Linux forget a program's peak."""


def commit(root: str | Path, short: bool = False) -> str:
    """Name the commit that is checked out.

    Args:
        root: A folder of the repository, or its git directory.
        short: Whether to shorten the name as git does.

    Returns:
        The commit's name; empty where there is no git, no repository or no commit.

    Example:
        >>> import tempfile
        >>> commit(tempfile.mkdtemp())
        ''
    """
    command = ["git", "rev-parse", *(["--short"] if short else []), "HEAD"]
    try:
        found = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    except OSError:  # git is not installed, or there is no such folder
        return ""
    # a repository without a commit makes git repeat the question
    return found.stdout.strip() if found.returncode == 0 else ""


def versions() -> dict[str, str]:
    """Return the versions of this package, of Python and of the libraries that decide about numbers.

    Example:
        >>> list(versions())[:3]
        ['mfnet_lite', 'python', 'torch']
    """
    return {
        "mfnet_lite": mfnet_lite.__version__,
        "python": platform.python_version(),
        **{name: version(name) for name in LIBRARIES},
    }


def peak_memory() -> int | None:
    """Return the largest resident memory of this process so far, in bytes; None where nobody counts it.

    Linux keeps the figure per program. That of ``getrusage`` would include the process which started
    this one, as large as it was at that moment.

    Example:
        >>> peak_memory() != 0
        True
    """
    peak = _status("VmHWM")
    if peak is not None:
        return peak
    try:
        import resource
    except ImportError:  # Windows
        return None
    counted = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return counted if sys.platform == "darwin" else counted * 1024


def current_memory() -> int | None:
    """Return the resident memory of this process now, in bytes; None elsewhere than on Linux."""
    return _status("VmRSS")


def reset_peak_memory() -> bool:
    """Let :func:`peak_memory` start anew from the memory in use now.

    Returns:
        Whether the system can do that; only Linux can.
    """
    if not CLEAR_REFS.exists():
        return False
    CLEAR_REFS.write_text("5", encoding="utf-8")
    return True


def _status(field: str) -> int | None:
    """Read a field of Linux' account of this process, in bytes; None where there is none."""
    if STATUS.is_file():
        for line in STATUS.read_text(encoding="utf-8").splitlines():
            if line.startswith(f"{field}:"):
                return int(line.split()[1]) * 1024
    return None
