"""A command run inside Python, with what a terminal would show; chapters of the book print it."""

from __future__ import annotations

import shlex
import textwrap

from typer.testing import CliRunner

from mfnet_lite.cli import app

__all__ = ["fold", "transcript"]

PLAIN = {"FORCE_COLOR": None, "CLICOLOR_FORCE": None, "NO_COLOR": "1"}


def fold(text: str, width: int = 88) -> str:
    """Break a long line as a terminal of ``width`` columns would, but between words and with an indent."""
    if len(text) <= width:
        return text
    return textwrap.fill(text, width, subsequent_indent="    ", break_on_hyphens=False)


def transcript(line: str, width: int = 88) -> str:
    """Run a command of ``mfnet-lite`` in this process.

    Args:
        line: As typed, ``mfnet-lite info`` for example; words are split as a shell would.
        width: Columns of the terminal.

    Returns:
        The line after a dollar sign, then what the command prints, notes and errors included, without colours.

    Raises:
        ValueError: If the line does not begin with ``mfnet-lite``.
    """
    program, *words = shlex.split(line) or [""]
    if program != "mfnet-lite":
        raise ValueError(f"expected a line that begins with mfnet-lite, got {line!r}")
    output = CliRunner(env=PLAIN).invoke(app, words).output.rstrip()
    return "\n".join(fold(text, width) for text in (f"$ {line}", *output.splitlines()))
