"""Sizes that no computer at hand can hold are refused before memory is taken for them.

A mistyped size otherwise ends in the system's silent kill, after minutes of work or in the middle of another program.
"""

from __future__ import annotations

import os

__all__ = ["check_memory", "physical_memory"]


def physical_memory() -> int | None:
    """Return the bytes of memory of this computer, None where the system does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # Windows has no sysconf
        return None


def check_memory(needed: float, what: str, remedy: str) -> None:
    """Refuse what needs more than all the memory there is.

    Args:
        needed: Bytes, at least; an estimate from below.
        what: What needs them, the start of the sentence.
        remedy: What to do, the end of the sentence.

    Raises:
        ValueError: If it cannot fit.

    Example:
        >>> check_memory(1e9, "a scene of 3000 pixels a side", "choose a smaller size")
    """
    total = physical_memory()
    if total is not None and needed > total:
        raise ValueError(
            f"{what} takes at least {needed / 2**30:.0f} GiB of memory, this computer has {total / 2**30:.0f}; {remedy}"
        )
