"""Options that were called otherwise: the old spelling still works, and a warning names the new one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import typer

POLICY = {"--holes": "--nodata-policy"}

RENAMED: Mapping[str, Mapping[str, str]] = {
    "train": POLICY | {"--light": "--jitter"},
    "evaluate": POLICY,
    "predict": POLICY,
    "make": {"--knob": "--parameter"},
    "plates": {"--pictures": "--images"},
}
"""Command → old spelling → new spelling."""


def modern(command: str, words: Sequence[str]) -> list[str]:
    """Replace old spellings among the words of a command line, with a line on stderr for each.

    Args:
        command: The command's name.
        words: What follows it.

    Example:
        >>> modern("evaluate", ["run", "data", "--split", "val"])
        ['run', 'data', '--split', 'val']
    """
    return list(_replaced(RENAMED.get(command, {}), words))


def _replaced(renamed: Mapping[str, str], words: Sequence[str]) -> Iterator[str]:
    """Yield word by word; behind ``--`` no word is an option."""
    warned: set[str] = set()
    options = True
    for word in words:
        options = options and word != "--"
        old, equals, value = word.partition("=")
        if not (options and old in renamed):
            yield word
            continue
        if old not in warned:
            typer.echo(f"warning: {old} is now called {renamed[old]}", err=True)
            warned.add(old)
        yield renamed[old] + equals + value
