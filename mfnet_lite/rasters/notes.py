"""Remarks on files, logged once: the same remark on a hundred files is one line."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path

LOGGER = logging.getLogger("mfnet_lite.rasters")
"""The logger of remarks, which Python prints on stderr unless the program says otherwise."""


class Notes:
    """Collects remarks, each with the files it is about."""

    def __init__(self) -> None:
        self._files: dict[str, list[Path]] = {}
        self._logged: set[str] = set()
        self._largest: dict[str, float] = {}

    def add(self, path: Path, remarks: Iterable[str]) -> None:
        """Remember remarks on a file.

        Args:
            path: The file.
            remarks: Predicates of a sentence whose subject is the file.
        """
        for remark in remarks:
            files = self._files.setdefault(remark, [])
            if path not in files:
                files.append(path)

    def add_share(self, path: Path, remark: str, share: float) -> None:
        """Remember a remark on a part of a file's pixels; of several files the largest share is told.

        Args:
            path: The file.
            remark: Predicate of a sentence whose subject is the file, with ``{share}`` where the share belongs.
            share: Of its pixels.
        """
        self._largest[remark] = max(share, self._largest.get(remark, 0.0))
        self.add(path, [remark])

    def lines(self) -> list[str]:
        """The remarks as sentences, each naming its first file.

        Returns:
            One line per remark.

        Example:
            >>> notes = Notes()
            >>> notes.add(Path("a.tif"), ["is nearly black"])
            >>> notes.add(Path("b.tif"), ["is nearly black"])
            >>> notes.lines()
            ['a.tif is nearly black (and 1 more file)']
        """
        return [self._line(remark) for remark in self._files]

    def log(self) -> None:
        """Log every remark that has not been logged yet."""
        for remark in self._files:
            if remark not in self._logged:
                self._logged.add(remark)
                LOGGER.warning("%s", self._line(remark))

    def _line(self, remark: str) -> str:
        first, *others = self._files[remark]
        if remark in self._largest:
            up_to = "up to " if others else ""
            remark = remark.format(share=f"{up_to}{100 * self._largest[remark]:.1f} %")
        others_too = f" (and {len(others)} more file{'s' * (len(others) > 1)})" if others else ""
        return f"{first} {remark}{others_too}"
