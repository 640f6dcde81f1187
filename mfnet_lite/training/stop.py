"""Leaving a loop between two steps and not in the middle of one."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def polite_stop() -> Iterator[threading.Event]:
    """Turn the first SIGINT (Ctrl-C) or SIGTERM into a flag; a second one acts at once.

    Yields:
        The flag, to be looked at where stopping is safe.
    """
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop  # only the main thread gets signals
        return
    previous: dict[int, Any] = {}

    def restore() -> None:
        for known, handler in previous.items():
            signal.signal(known, handler)

    def note(number: int, frame: Any) -> None:
        stop.set()
        restore()

    for number in (signal.SIGINT, signal.SIGTERM):
        previous[number] = signal.signal(number, note)
    try:
        yield stop
    finally:
        restore()
