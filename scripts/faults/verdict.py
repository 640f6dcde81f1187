"""Calls a command and judges how it ended: done, or refused in one sentence; anything else is a fault."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from mfnet_lite.cli import app
from mfnet_lite.utils.hashes import sha256_of


class Fault(AssertionError):  # noqa: N818  # what is found, and no error of this script
    """A command ended as none should."""


def run(*words: Any) -> str:
    """Run a command within this process.

    Args:
        *words: The command line behind ``mfnet-lite``.

    Returns:
        The sentence it was refused with; empty if it was done.

    Raises:
        Fault: If it ended otherwise.
    """
    result = CliRunner().invoke(app, [str(word) for word in words])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise Fault(f"{_call(words)} raised {result.exception!r}") from result.exception
    return judge(result.exit_code, result.stderr, _call(words))


def judge(code: int, errors: str, call: str) -> str:
    """Judge the end of a command.

    Args:
        code: Its exit code.
        errors: What it printed on stderr.
        call: The command, for messages.

    Returns:
        The sentence it was refused with; empty if it was done.

    Raises:
        Fault: If there is a traceback, no sentence, or a sentence that nobody wrote for the case.
    """
    if "Traceback (most recent call last)" in errors:
        raise Fault(f"{call}: a traceback, without --debug:\n{errors}")
    if code == 0:
        return ""
    if code not in (1, 2):
        raise Fault(f"{call}: exit code {code}\n{errors}")
    lines = [line for line in errors.replace("\r", "\n").splitlines() if line.startswith("error: ")]
    if "data check" in call and lines:  # a report: a line for each finding
        lines = lines[:1]
    if code == 2 and not lines:  # how typer refuses an option, in a box
        return errors
    if len(lines) != 1 or len(lines[0]) < 20:
        raise Fault(f"{call}: expected one sentence, found {len(lines)}\n{errors}")
    if "unforeseen" in lines[0]:
        raise Fault(f"{call}: {lines[0]}")
    return lines[0].removeprefix("error: ")


def contents(folder: Path, without: Iterable[Path] = ()) -> dict[str, str]:
    """Hash every file of a folder, to see whether something was lost or left over.

    Args:
        folder: The folder.
        without: Files that do not count.
    """
    left_out = set(without)
    return {
        str(path.relative_to(folder)): sha256_of(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path not in left_out
    }


def _call(words: Iterable[Any]) -> str:
    return " ".join(["mfnet-lite", *map(str, words)])
