"""A disk that is full: no file of this process may grow beyond a size, as long as the block lasts."""

from __future__ import annotations

import resource  # of Unix alone, as the limit is
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def full_disk(size: int) -> Iterator[None]:
    """Let writes fail beyond a position in a file; Python ignores the signal that would come with it.

    The system says *file too large* instead of *no space left on device*; libraries take both alike.

    Args:
        size: Bytes that a file may have.

    Yields:
        Nothing.
    """
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
