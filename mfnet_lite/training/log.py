"""The log of a run: one CSV row every few steps, readable while the run goes on."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path

from mfnet_lite.utils.files import write_text

COLUMNS = ("step", "lr", "loss", "grad_norm", "seconds", "val_OA", "val_mF1", "val_mIoU")


class CsvLog:
    """Append rows to ``log.csv``; a resumed run first drops the rows it is going to repeat.

    Args:
        path: The file.
        after: Keep the rows up to this step, 0 to start afresh.
    """

    def __init__(self, path: Path, after: int = 0) -> None:
        self.path = path
        rows = read_log(path) if after and path.is_file() else []
        text = io.StringIO()
        writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
        writer.writeheader()
        try:
            writer.writerows(row for row in rows if int(row["step"]) <= after)
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(
                f"{path} is damaged: expected rows with {', '.join(COLUMNS)}, found another ({error}); correct it, or "
                "move it away to go on without the rows so far"
            ) from error
        write_text(path, text.getvalue())

    def append(self, row: Mapping[str, float | int | str]) -> None:
        """Write one row; columns it lacks stay empty."""
        with self.path.open("a", encoding="utf-8", newline="") as file:
            csv.DictWriter(file, COLUMNS, restval="", lineterminator="\n").writerow(row)


def read_log(path: Path) -> list[dict[str, str]]:
    """Read a log; a last row that a kill cut off is left out.

    Args:
        path: ``log.csv`` of a run.

    Raises:
        ValueError: If it is no table.
    """
    with Path(path).open(encoding="utf-8", newline="") as file:
        try:
            return [row for row in csv.DictReader(file) if None not in row.values()]
        except (csv.Error, UnicodeDecodeError) as error:
            raise ValueError(
                f"{path} is damaged: expected a table, found something else ({error}); bring back a copy, or move it "
                "away"
            ) from error
